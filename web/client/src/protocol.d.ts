// Made from docs/protocol.schema.json by `npm run types`; do not edit.

/** One durable event: the same bytes for everybody and for ever. */
export interface Envelope<Type extends string, Data> {
  event_id: EventId;
  seq: Seq;
  session_id: SessionId;
  type: Type;
  created_at: Timestamp;
  data: Data;
}

/** One durable event. */
export type Event =
  | Envelope<"session.started", SessionStarted>
  | Envelope<"session.restarted", SessionRestarted>
  | Envelope<"session.stopped", SessionStopped>
  | Envelope<"turn.started", TurnStarted>
  | Envelope<"message.added", MessageAdded>
  | Envelope<"message.heard", MessageHeard>
  | Envelope<"planner.delta", PlannerDelta>
  | Envelope<"slot.updated", SlotUpdated>
  | Envelope<"gate.ready", GateJudged>
  | Envelope<"gate.changed", GateJudged>
  | Envelope<"gate.waived", GateWaived>
  | Envelope<"turn.completed", TurnCompleted>
  | Envelope<"run.started", RunStarted>
  | Envelope<"stage.changed", StageChanged>
  | Envelope<"stage.started", StageStarted>
  | Envelope<"stage.completed", StageCompleted>
  | Envelope<"asset.ready", AssetReady>
  | Envelope<"job.updated", JobUpdated>
  | Envelope<"run.cancelled", RunCancelled>
  | Envelope<"run.completed", RunCompleted>
  | Envelope<"budget.warning", BudgetWarning>
  | Envelope<"call.reserved", CallReserved>
  | Envelope<"call.settled", CallSettled>
  | Envelope<"error", ErrorEvent>
  | Envelope<`${StageId}.delta`, StageDelta>;

/** A failure as an HTTP body: `{"error": {…}}`. */
export interface ApiError {
  /** What failed. */
  error: ErrorBody;
}

export type AssetId = string;

/** `asset.ready` */
export interface AssetReady {
  /** The asset. */
  asset_id: AssetId;
  /** The run it belongs to, if any. */
  run_id?: RunId | null;
  /** What it is, such as `poster`. */
  kind: string;
  /** Where it can be fetched. */
  url: string;
  /** Its media type. */
  media_type: string;
  /** Its size. */
  size_bytes: number;
  /** Where it comes from. */
  provenance: Provenance;
}

/** The encoding of audio on the socket. */
export type AudioCodec =
  /** Signed 16-bit little-endian samples, interleaved. */
  | "pcm_s16le"
  /** One Opus packet a frame. */
  | "opus";

/** The audio that the client wants to hear: one channel. */
export interface AudioOutput {
  /** Its encoding. */
  codec: AudioCodec;
  /** Samples a second. */
  sample_rate: number;
  /** One of the playbook's voices; none means its first. */
  voice_preset?: string | null;
}

/** `budget.warning` */
export interface BudgetWarning {
  /** What is running out, such as `run`. */
  budget: string;
  /** How much of it is used, 0 to 1. */
  used: number;
}

export type CallId = string;

/** How a call ended. */
export type CallOutcome =
  /** The reply arrived whole. */
  | "ok"
  /** It failed; nothing usable arrived. */
  | "failed"
  /** Nobody knows: it was cancelled or its process died. Booked at its reservation. */
  | "unknown";

/** What a call is for. */
export type CallPurpose =
  /** The planner's reply to a turn. */
  | "plan"
  /** A stage's output. */
  | "stage"
  /** The repair of a stage's output that broke its schema. */
  | "repair"
  /** The check of a text before it is acted upon or shown for good. */
  | "moderate"
  /** The words of a spoken utterance. */
  | "transcribe"
  /** A text, spoken. */
  | "speak";

/** `call.reserved`: committed before the request leaves. One HTTP request is one call. */
export type CallReserved = {
  /** The call. */
  call_id: CallId;
  /** What it is for. */
  purpose: CallPurpose;
} & (
  /** An attempt at a stage of a run. */
  | {
    /** The run. */
    run_id: RunId;
    /** The stage. */
    stage: StageId;
    /** The attempt. */
    attempt: number;
  }
  /** An attempt at a turn's reply. The turn of a transcription begins only once its words are known. */
  | {
    /** The turn. */
    turn_id: TurnId;
    /** The attempt. */
    attempt: number;
  }
  /** Nothing but the session, such as speech that a client asked for. Last, because it matches anything. */
  | {}
);

/** `call.settled`: provider, usage and cost are for the operator's eyes and not in here. */
export type CallSettled = {
  /** The call. */
  call_id: CallId;
  /** What it was for. */
  purpose: CallPurpose;
  /** How it ended. */
  outcome: CallOutcome;
} & (
  /** An attempt at a stage of a run. */
  | {
    /** The run. */
    run_id: RunId;
    /** The stage. */
    stage: StageId;
    /** The attempt. */
    attempt: number;
  }
  /** An attempt at a turn's reply. The turn of a transcription begins only once its words are known. */
  | {
    /** The turn. */
    turn_id: TurnId;
    /** The attempt. */
    attempt: number;
  }
  /** Nothing but the session, such as speech that a client asked for. Last, because it matches anything. */
  | {}
);

/** A text that the server put into a stage's output after a check, with its own provenance. */
export interface CheckNote {
  /** JSON pointer of the text within the output. */
  path: string;
  /** Where it comes from. */
  provenance: Provenance;
}

/** One message of a client. */
export type ClientFrame =
  /** A typed utterance: a turn. */
  | {
    type: "user.message";
    /** 1 to 3000 characters, not blank. */
    text: string;
    id?: CommandId;
  }
  /** Takes the microphone. */
  | {
    type: "audio.start";
    /** Encoding of the frames to come. */
    codec: AudioCodec;
    /** Samples a second. */
    sample_rate: number;
    /** 1 or 2. */
    channels: number;
    /** Who decides that an utterance is over. */
    turn_detection?: TurnDetection;
    /** How the beginning and the end of an utterance are found. */
    endpointing?: Endpointing | null;
    /** Whether steady noise is taken out first. */
    noise_suppression?: boolean;
    /** The audio that the client wants to hear; none means text alone. */
    output?: AudioOutput | null;
    /** Whether both sides are recorded. */
    record?: boolean;
    id?: CommandId;
  }
  /** Ends the utterance now. */
  | {
    type: "audio.commit";
    id?: CommandId;
  }
  /** Discards what is pending and releases the microphone. */
  | {
    type: "audio.stop";
    id?: CommandId;
  }
  /** How much of a reply was played. */
  | {
    type: "playback.ack";
    /** The reply. */
    reply_id: string;
    /** Milliseconds played, pauses not counted. */
    played_ms: Millis;
    id?: CommandId;
  }
  /** Ends the reply that is under way. */
  | {
    type: "response.cancel";
    id?: CommandId;
  }
  /** The user's own edit of a slot. */
  | {
    type: "slot.set";
    /** Which slot. */
    path: SlotPath;
    /** Its new value; null clears it. */
    value: unknown;
    id?: CommandId;
  }
  /** Starts a run. */
  | {
    type: "run.generate";
    /** Waive the gate for this run. */
    draft?: boolean;
    id?: CommandId;
  }
  /** Cancels the run that is under way. */
  | {
    type: "run.cancel";
    id?: CommandId;
  }
  /** Takes a failed run up again from the stage that failed. */
  | {
    type: "run.retry";
    id?: CommandId;
  }
  /** Asks for a `pong`. */
  | {
    type: "ping";
    id?: CommandId;
  };

/** A client's idempotency key: 1 to 128 visible ASCII characters. */
export type CommandId = string;

/**
 * How the beginning and the end of an utterance are found, in milliseconds; what is left out keeps its
 * default.
 */
export interface Endpointing {
  /** A silence shorter than this never ends an utterance. */
  delay_floor_ms?: number | null;
  /** The silence that ends an utterance while nothing is known of the speaker's pauses. */
  delay_initial_ms?: number | null;
  /** A silence as long as this always ends an utterance. */
  delay_ceiling_ms?: number | null;
  /** With less speech than this in it, a sound is no utterance. */
  min_speech_ms?: number | null;
  /** An utterance is cut here, and goes on as another one. */
  max_utterance_ms?: number | null;
  /** How much is kept from before the first sound that was taken for speech. */
  pre_roll_ms?: number | null;
}

/** The inner object of every failure on the wire. */
export interface ErrorBody {
  /** From the table. */
  code: ErrorCode;
  /** For the user, in their language. */
  message: string;
  /** For the developer of the client; null or an object or a text whose shape depends on the code. */
  details: unknown;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  /** Seconds after which it is worth trying again. */
  retry_after?: number | null;
}

/** The code of an error, from one closed table. */
export type ErrorCode =
  /** The request could not be understood. Please check what was sent. */
  | "INPUT_INVALID"
  /** The message is empty. Please write something. */
  | "INPUT_BLANK"
  /** The text is too long. Please shorten it and send it again. */
  | "INPUT_TOO_LONG"
  /** This request's id was already used for something else. Please send it again. */
  | "INPUT_ID_REUSED"
  /** What was sent is too large. Please send something smaller. */
  | "INPUT_TOO_LARGE"
  /** This format is not supported. */
  | "INPUT_UNSUPPORTED_MEDIA"
  /** The upload stalled. Please check the connection and send it again. */
  | "INPUT_TIMEOUT"
  /** Authentication is required. */
  | "AUTH_REQUIRED"
  /** You are not allowed to do this. */
  | "AUTH_FORBIDDEN"
  /** This page is not allowed to use the server. */
  | "AUTH_ORIGIN"
  /** There is no such session. */
  | "SESSION_NOT_FOUND"
  /** There is no such run. */
  | "RUN_NOT_FOUND"
  /** There is no such job. */
  | "JOB_NOT_FOUND"
  /** This session was deleted. Please start a new one. */
  | "SESSION_GONE"
  /** The page is ahead of the server. Please reload it. */
  | "SESSION_EVENT_AHEAD"
  /** This session is being restarted just now. Please try again shortly. */
  | "SESSION_RESTARTING"
  /** It is too early to start. Please fill in what is still missing. */
  | "GATE_NOT_READY"
  /** The brief cannot change while a run is under way. Please try again when it has ended. */
  | "GATE_RUN_ACTIVE"
  /** A run is already under way. */
  | "RUN_ACTIVE"
  /** The result is not complete yet. Please download it when the run has ended. */
  | "RUN_NOT_COMPLETED"
  /** This cannot be worked with. Please put it differently. */
  | "SAFETY_INPUT"
  /** No result could be made that meets the safety rules. Please change the brief and try again. */
  | "SAFETY_OUTPUT"
  /** The safety check is not available now, so this could not go on. Please try again shortly. */
  | "SAFETY_UNAVAILABLE"
  /** The AI service failed. Please try again shortly. */
  | "LLM_UPSTREAM"
  /** The AI service took too long to answer. Please try again shortly. */
  | "LLM_TIMEOUT"
  /** The AI answered in the wrong form. Please try again. */
  | "LLM_JSON_INVALID"
  /** This cannot be done because no AI service is configured. */
  | "LLM_NOT_CONFIGURED"
  /** The AI service is unstable and is being given a rest. Please try again a little later. */
  | "LLM_CIRCUIT_OPEN"
  /** The speech could not be transcribed. Please say it again or type it. */
  | "STT_FAILED"
  /** Transcription took too long. Please say it again or type it. */
  | "STT_TIMEOUT"
  /** Speech recognition is not configured. Please type instead. */
  | "STT_NOT_CONFIGURED"
  /** The voice could not be made. The text is complete. */
  | "TTS_FAILED"
  /** Making the voice took too long. The text is complete. */
  | "TTS_TIMEOUT"
  /** Speech synthesis is not configured. */
  | "TTS_NOT_CONFIGURED"
  /** The image could not be made. Please try again. */
  | "IMAGE_FAILED"
  /** Making the image took too long. Please try again. */
  | "IMAGE_TIMEOUT"
  /** Image generation is not configured. */
  | "IMAGE_NOT_CONFIGURED"
  /** The video could not be made. Please try again. */
  | "VIDEO_FAILED"
  /** Video generation is not configured. */
  | "VIDEO_NOT_CONFIGURED"
  /** The research could not be completed. Please try again. */
  | "RESEARCH_FAILED"
  /** The research took too long. Please try again. */
  | "RESEARCH_TIMEOUT"
  /** No search service is configured for the research. */
  | "RESEARCH_NOT_CONFIGURED"
  /** The file could not be stored. Please try again. */
  | "STORAGE_UPLOAD_FAILED"
  /** Nothing can be saved at the moment. Please try again shortly. */
  | "DB_UNAVAILABLE"
  /** This could not be saved. Please try again. */
  | "DB_WRITE_FAILED"
  /** This session kept failing and was stopped. Please contact the operator. */
  | "SESSION_RESTART_LIMIT"
  /** The server is very busy. Please try again shortly. */
  | "SYS_OVERLOADED"
  /** The server is being replaced. Please reconnect shortly. */
  | "SYS_DRAINING"
  /** There were too many requests. Please try again shortly. */
  | "SYS_RATE_LIMIT"
  /** Today's allowance is used up. Please come back tomorrow. */
  | "SYS_DAILY_LIMIT"
  /** The budget of this session is used up. */
  | "SYS_BUDGET"
  /** Something went wrong on the server. Please try again shortly. */
  | "SYS_INTERNAL";

/** `error`: something failed that the user should know of. */
export interface ErrorEvent {
  /** The turn it happened in. */
  turn_id?: TurnId | null;
  /** The run it happened in. */
  run_id?: RunId | null;
  /** The stage it happened in. */
  stage?: StageId | null;
  /** The attempt that failed. */
  attempt?: number | null;
  /** Whether the server tries again by itself. */
  will_retry: boolean;
  /** From the table. */
  code: ErrorCode;
  /** For the user, in their language. */
  message: string;
  /** For the developer of the client; null or an object or a text whose shape depends on the code. */
  details: unknown;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  /** Seconds after which it is worth trying again. */
  retry_after?: number | null;
}

export type EventId = string;

/** A slot of the brief that a run was started with. */
export interface FrozenSlot {
  /** Which slot. */
  path: SlotPath;
  /** Its value. */
  value: unknown;
  /** How sure it was, 0 to 1. */
  confidence: number;
  /** Where it came from. */
  source: SlotSource;
}

/** Whether a run may start, and what stands in the way. */
export interface Gate {
  /** Whether a run may start. */
  ready: boolean;
  /** Required slots without a value, in the playbook's order. */
  missing_required: Array<SlotPath>;
  /**
   * Filled required slots whose confidence pulls the mean below the threshold; empty while the mean
   * suffices.
   */
  low_confidence: Array<SlotPath>;
  /** Share of required slots that are filled, 0 to 1. */
  completeness: number;
}

/** `gate.ready` and `gate.changed`: the gate as it now stands. */
export interface GateJudged {
  /** The turn that changed it; an edit in the page has none. */
  turn_id?: TurnId | null;
  /** Whether a run may start. */
  ready: boolean;
  /** Required slots without a value, in the playbook's order. */
  missing_required: Array<SlotPath>;
  /**
   * Filled required slots whose confidence pulls the mean below the threshold; empty while the mean
   * suffices.
   */
  low_confidence: Array<SlotPath>;
  /** Share of required slots that are filled, 0 to 1. */
  completeness: number;
}

/** `gate.waived`: the user chose a draft; for this run only. */
export interface GateWaived {
  /** The run that the waiver is for. */
  run_id: RunId;
  /** Required slots without a value. */
  missing_required: Array<SlotPath>;
  /** Slots whose confidence is too low. */
  low_confidence: Array<SlotPath>;
}

export type JobId = string;

/** Where a job stands. */
export type JobStatus =
  /** Accepted, not begun. */
  | "queued"
  /** Under way. */
  | "running"
  /** Done. */
  | "completed"
  /** Ended without a result; the error says why. */
  | "failed";

/** What a job does. */
export type JobType =
  /** A whole run. */
  | "run";

/** `job.updated` */
export interface JobUpdated {
  /** The job. */
  job_id: JobId;
  /** What it does. */
  type: JobType;
  /** Where it stands. */
  status: JobStatus;
  /** 0 to 100. */
  progress: number;
  /** The run it belongs to. */
  run_id: RunId;
  /** How often it was begun again because it had made no progress, since its run was last begun. */
  retry_count?: number;
  /** When that last happened. */
  last_retry_at?: Timestamp | null;
  /** Why it failed; none when its run was cancelled. */
  error?: ErrorBody | null;
}

/** The language that a session speaks. */
export type Locale =
  /** Korean. */
  | "ko"
  /** English. */
  | "en";

/** `message.added`: a final text, added when it is complete or its turn ended. */
export interface MessageAdded {
  /** The message. */
  message_id: MessageId;
  /** The turn it belongs to; the greeting has none. */
  turn_id?: TurnId | null;
  /** Who speaks. */
  role: Role;
  /** Typed or spoken. */
  modality: Modality;
  /** The text. */
  text: string;
  /** Where the text comes from. */
  provenance: Provenance;
  /** Whether the text was cut off because its turn ended. */
  truncated: boolean;
  /** The slot that the text asks for, if it asks. */
  asks?: SlotPath | null;
  /** The language that the text is in, where it can be told; a user's switches the session's. */
  locale?: Locale | null;
}

/** `message.heard`: how much of a spoken reply was heard. */
export interface MessageHeard {
  /** The message that was spoken. */
  message_id: MessageId;
  /** Its turn. */
  turn_id: TurnId;
  /** How many milliseconds of it were played. */
  heard_ms: Millis;
  /** The words that were heard. */
  text: string;
}

export type MessageId = string;

/** A length of time in whole milliseconds. */
export type Millis = number;

/** How a text came in or goes out. */
export type Modality =
  /** Typed or read. */
  | "text"
  /** Spoken. */
  | "voice";

/** How a session spends: `fast` uses the playbook's smaller models and skips what it marks as optional. */
export type Mode =
  /** Smaller models, optional stages skipped. */
  | "fast"
  /** Everything. */
  | "standard";

/** `planner.delta` */
export type PlannerDelta = {
  /** The turn that is being answered. */
  turn_id: TurnId;
  /** 1 for the first attempt; a higher one voids what lower ones showed. */
  attempt: number;
  /** The slot that the text asks for, once it asks. */
  asks?: SlotPath | null;
  /** A JSON pointer (RFC 6901) into the document; empty for the whole. */
  path: string;
} & (
  /** The text at the path grows by this. */
  | {
    append: string;
  }
  /** The path now holds this. */
  | {
    value: unknown;
  }
);

/** Which playbook a session is pinned to. */
export interface PlaybookRef {
  /** The playbook's name, such as `launch`. */
  name: string;
  /** SHA-256 of its content, hexadecimal. */
  hash: string;
}

/** Where a text comes from. Nothing is stored without one. */
export type Provenance =
  /** A model's reply. Its cost is kept with the call. */
  | {
    kind: "model";
    /** The provider's configured name. */
    provider: string;
    /** The model that answered, as the provider names it. */
    model: string;
    /** The call that produced the text. */
    call_id: CallId;
    /** Whether the provider is a simulator. */
    simulated: boolean;
  }
  /** The user's own words. */
  | {
    kind: "user";
    /** The turn in which they were said. */
    turn_id: TurnId;
  }
  /** A phrase of the playbook: a question or a notice, never content. */
  | {
    kind: "playbook";
    /** The phrase's key. */
    key: string;
    /** The playbook's content hash. */
    hash: string;
  }
  /** An operator's words. */
  | {
    kind: "operator";
  };

/** Who speaks. */
export type Role =
  /** The person. */
  | "user"
  /** Greenroom. */
  | "assistant";

/** `run.cancelled` */
export interface RunCancelled {
  /** The run. */
  run_id: RunId;
}

/** `run.completed`: the package is read with `GET /api/runs/{run_id}`. */
export interface RunCompleted {
  /** The run. */
  run_id: RunId;
  /** Whether it was a draft. */
  draft: boolean;
}

export type RunId = string;

/** `run.started` */
export interface RunStarted {
  /** The run. */
  run_id: RunId;
  /** The job that stands for it when it was started asynchronously. */
  job_id?: JobId | null;
  /** How it spends. */
  mode: Mode;
  /** The language that its texts are written in. */
  locale: Locale;
  /** The brief, as it stood. */
  brief: Array<FrozenSlot>;
  /** Whether the gate was waived for it. */
  draft: boolean;
  /** The stages it goes through, in the playbook's order; what the mode skips is left out. */
  stages: Array<StageId>;
  /** Until when it must be done, in milliseconds from its start. */
  budget_ms: Millis;
  /** The failed run whose brief it takes over, and the outputs of the stages before `from_stage` with it. */
  from_run?: RunId | null;
  /** The stage that it begins with, when it takes another run over. */
  from_stage?: StageId | null;
}

/** One contiguous part of the time that a user waited. */
export type Segment =
  /** From the end of speech until the endpoint was found. */
  | "endpointing"
  /** Until the words were known. */
  | "transcription"
  /** Until the planner's first token. */
  | "planner_first_token"
  /** Until the first sentence was complete. */
  | "first_sentence"
  /** Until the voice's first byte. */
  | "voice_first_byte"
  /** Until the reply was complete; of one that was spoken live, until its first sound was on its way. */
  | "delivery";

/** How long one segment took. */
export interface SegmentLatency {
  /** Which part. */
  segment: Segment;
  /** Its length. */
  ms: Millis;
}

/** The number of an event within its session: 1, 2, 3, … without a gap. Zero means "before the first". */
export type Seq = number;

export type SessionId = string;

/** `session.restarted`: an operator took the session up again. */
export interface SessionRestarted {
  /** The stage that was asked for, if a failed run goes on from a certain one. */
  from_stage?: StageId | null;
  /**
   * The run that goes on; none when the session was not at a failed run and is only built anew from its log.
   */
  run_id?: RunId | null;
}

/** `session.started` */
export interface SessionStarted {
  /** The language to begin with. */
  locale: Locale;
  /** How the session spends. */
  mode: Mode;
  /** The playbook it is pinned to. */
  playbook: PlaybookRef;
  /** The state it begins in. */
  state: string;
}

/**
 * `session.stopped`: an operator ended what was under way. The session goes on with the next that is asked
 * of it.
 */
export type SessionStopped = {};

/** One signal. */
export type Signal =
  /** Where the session stands, for a client that comes without a last event id. */
  | {
    type: "session.snapshot";
    /** Events from the next number on follow. */
    as_of_seq: Seq;
    /** The session. */
    session_id: SessionId;
    /** Its state. */
    state: string;
    /** How it spends. */
    mode: Mode;
    /** Its language. */
    locale: Locale;
    /** All slots. */
    brief_slots: Record<string, unknown>;
    /** The gate. */
    gate: Gate;
    /** The latest messages, oldest first. */
    messages: Array<MessageAdded>;
    /** The turn under way, if any. */
    turn_id?: TurnId | null;
    /** The newest run, if any. */
    run_id?: RunId | null;
    /** How much of those of the messages was heard that were spoken. */
    heard?: Array<MessageHeard>;
  }
  /** All that was missed has been sent. */
  | {
    type: "replay.done";
    /** The last number of the replay. */
    seq: Seq;
  }
  /** A message with an id was taken. */
  | {
    type: "accepted";
    /** The message's id. */
    id: string;
    /** The turn it began. */
    turn_id?: TurnId | null;
    /** The run it began or acts upon. */
    run_id?: RunId | null;
    /** The first event that it made, or the head of the log if it made none. */
    seq: Seq;
    /** Whether it had been taken before. */
    duplicate: boolean;
  }
  /** A frame was not taken. */
  | {
    type: "rejected";
    /** The message's id, if it had one that could be read. */
    id?: string | null;
    /** Why. */
    error: ErrorBody;
  }
  /** The person began to speak. */
  | {
    type: "speech.started";
  }
  /** The person stopped speaking. */
  | {
    type: "speech.stopped";
  }
  /** What was heard makes no turn. */
  | {
    type: "speech.discarded";
    /** Why. */
    reason: SpeechDiscardReason;
  }
  /** What has been understood so far. */
  | {
    type: "transcript.partial";
    /** The words so far. */
    text: string;
  }
  /** The audio of a reply begins. */
  | {
    type: "audio.begin";
    /** The reply. */
    reply_id: string;
    /** The turn that it answers; a notice of the playbook has none. */
    turn_id?: TurnId | null;
    /** Encoding of the frames to come. */
    codec: AudioCodec;
    /** Samples a second. */
    sample_rate: number;
  }
  /** Stop playing, keep the place and what is there to be played. */
  | {
    type: "audio.pause";
    /** The reply. */
    reply_id: string;
    /** How much of it has been sent. */
    at_ms: Millis;
  }
  /** Go on playing; the next frame follows what has been sent. */
  | {
    type: "audio.resume";
    /** The reply. */
    reply_id: string;
    /** How much of it has been sent. */
    at_ms: Millis;
  }
  /** Throw away what has not been played; nothing more of it comes. */
  | {
    type: "audio.cancel";
    /** The reply. */
    reply_id: string;
    /** How much of it has been sent. */
    at_ms: Millis;
  }
  /** The audio of a reply is complete. */
  | {
    type: "audio.end";
    /** The reply. */
    reply_id: string;
  }
  /** Another socket took the microphone. */
  | {
    type: "microphone.taken";
  }
  /** Something is wrong that concerns no single message. */
  | {
    type: "notice";
    /** What. */
    error: ErrorBody;
  }
  /** The server is going away; come back after the delay. */
  | {
    type: "server.draining";
    /** When to come back. */
    reconnect_after_ms: Millis;
  }
  /** The answer to `ping`. */
  | {
    type: "pong";
    /** The ping's id, if it had one. */
    id?: string | null;
  };

/** The place of a slot in the brief, two lowercase names joined by a dot: `product.price_band`. */
export type SlotPath = string;

/** Where the value of a slot comes from. */
export type SlotSource =
  /** The user's own words in a turn. */
  | {
    kind: "turn";
    /** The turn in which they were said. */
    turn_id: TurnId;
    /** The words, as the user said them. */
    words: string;
  }
  /** The user's own edit. */
  | {
    kind: "edit";
  }
  /** The picture that the user uploaded. */
  | {
    kind: "picture";
    /** The picture. */
    asset_id: AssetId;
  };

/** `slot.updated` */
export interface SlotUpdated {
  /** The turn in which it happened; an edit in the page has none. */
  turn_id?: TurnId | null;
  /** Which slot. */
  path: SlotPath;
  /** A text, a list of texts, a number, or null when the slot was cleared. */
  value: unknown;
  /** How sure the value is, 0 to 1. */
  confidence: number;
  /** Where the value comes from. */
  source: SlotSource;
}

/** Why what was heard makes no turn. */
export type SpeechDiscardReason =
  /** It was no speech, or too little of it. */
  | "noise"
  /** No words were understood. */
  | "nothing_understood"
  /** It only showed that somebody listens. */
  | "backchannel"
  /** It could not be turned into words; a `notice` says why. */
  | "failed"
  /** The client did not want it, or lost the microphone. */
  | "cancelled";

/** `stage.changed`: the session's state on the wire. */
export interface StageChanged {
  /** The new state. */
  state: string;
  /** The run that brought it about, if any. */
  run_id?: RunId | null;
  /** What failed, when the state is `FAILED`. */
  failures?: Array<StageFailure>;
}

/** `stage.completed`: the validated output, authoritative over the deltas. */
export interface StageCompleted {
  /** The run. */
  run_id: RunId;
  /** The stage. */
  stage: StageId;
  /** The attempt that succeeded; 0 for an output adopted from an earlier run. */
  attempt: number;
  /** The output, valid against the stage's schema. */
  output: unknown;
  /** Which call wrote it. */
  provenance: Provenance;
  /** Elements that a check dropped. */
  dropped: number;
  /** The search results of this run that the elements left rest on, each once. */
  sources?: Array<SupportingSource>;
  /** Notices that the checks put into the output. */
  notes?: Array<CheckNote>;
}

/** `<stage>.delta` */
export type StageDelta = {
  /** The run. */
  run_id: RunId;
  /** The stage; the event's type is this name and `.delta`. */
  stage: StageId;
  /** The attempt; a higher one voids what lower ones showed. */
  attempt: number;
  /** A JSON pointer (RFC 6901) into the document; empty for the whole. */
  path: string;
} & (
  /** The text at the path grows by this. */
  | {
    append: string;
  }
  /** The path now holds this. */
  | {
    value: unknown;
  }
);

/** A stage that used up its attempts. */
export interface StageFailure {
  /** The stage. */
  stage: StageId;
  /** Its last attempt. */
  attempt: number;
  /** Why. */
  error: ErrorBody;
}

/**
 * The name of a stage in its playbook: `research`. Lowercase letters, digits and `_`, starting with a
 * letter.
 *
 * `planner` is none: `planner.delta` tells of a turn's reply, and `<stage>.delta` of a stage.
 */
export type StageId = string;

/** `stage.started` */
export interface StageStarted {
  /** The run. */
  run_id: RunId;
  /** The stage. */
  stage: StageId;
  /** 1 for the first attempt. */
  attempt: number;
}

/** A search result that an element of a stage's output rests on. */
export interface SupportingSource {
  /** Where it is; `https` only. */
  url: string;
  /** Its title, as the search gave it. */
  title?: string | null;
  /** The passage that the search returned or the provider cited. */
  passage?: string | null;
}

export type Timestamp = string;

/** `turn.completed` */
export interface TurnCompleted {
  /** The turn. */
  turn_id: TurnId;
  /** How it ended. */
  outcome: TurnOutcome;
  /** Where the time went. */
  latency: TurnLatency;
}

/** Who decides that an utterance is over. */
export type TurnDetection =
  /** The server, by voice activity. */
  | "server_vad"
  /** The client, by `audio.commit`. */
  | "manual";

export type TurnId = string;

/** What the user waited for; the segments are contiguous and sum to the total. */
export interface TurnLatency {
  /**
   * From the end of the user's utterance to the end of the reply, or to the first sound of one that was
   * spoken live.
   */
  total_ms: Millis;
  /** The parts, in order. */
  segments: Array<SegmentLatency>;
}

/** How a turn ended. */
export type TurnOutcome =
  /** The reply is complete. */
  | "ok"
  /** A new turn or the user ended it. */
  | "interrupted"
  /** No reply could be made. */
  | "failed"
  /** The server went away and the turn was too old to take up again. */
  | "abandoned";

/** `turn.started` */
export interface TurnStarted {
  /** The turn. */
  turn_id: TurnId;
  /** 1 for the session's first turn. */
  turn: number;
  /** How the user spoke. */
  modality: Modality;
}
