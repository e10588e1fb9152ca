// What a session looks like to whoever shows it, and what it looks like before its first event.
//
// Every object and list in here is replaced when it changes and never written to, so that `===` tells whether
// a part has to be drawn again.

/**
 * @typedef {import("./protocol.js").Event} SessionEvent
 * @typedef {import("./protocol.js").ErrorBody} ErrorBody
 * @typedef {import("./protocol.js").Provenance} Provenance
 * @typedef {import("./protocol.js").SlotSource} SlotSource
 * @typedef {import("./protocol.js").FrozenSlot} FrozenSlot
 * @typedef {import("./protocol.js").Gate} Gate
 * @typedef {import("./protocol.js").JobUpdated} JobUpdated
 * @typedef {import("./protocol.js").PlaybookRef} PlaybookRef
 * @typedef {import("./protocol.js").Role} Role
 * @typedef {import("./protocol.js").Modality} Modality
 * @typedef {import("./protocol.js").Mode} Mode
 * @typedef {import("./protocol.js").Locale} Locale
 * @typedef {import("./protocol.js").TurnOutcome} TurnOutcome
 * @typedef {import("./protocol.js").TurnLatency} TurnLatency
 * @typedef {import("./protocol.js").SupportingSource} SupportingSource
 * @typedef {import("./protocol.js").CheckNote} CheckNote
 */

/**
 * What every item of the timeline has: a key that never changes, and the event that made it.
 *
 * @typedef {object} TimelinePlace
 * @property {string} key
 * @property {number} seq
 * @property {string} at ISO 8601
 */

/**
 * @typedef {TimelinePlace & {
 *   kind: "message", messageId: string, turnId: string | null, role: Role, modality: Modality, text: string,
 *   truncated: boolean, asks: string | null, locale: Locale | null, provenance: Provenance,
 *   heard: null | { text: string, ms: number }
 * }} MessageItem `heard` of a text that was spoken live: the beginning of it that somebody listened to
 */

/** @typedef {TimelinePlace & { kind: "run", runId: string }} RunItem */

/**
 * @typedef {TimelinePlace & {
 *   kind: "error", error: ErrorBody, turnId: string | null, runId: string | null, stage: string | null,
 *   attempt: number | null, willRetry: boolean
 * }} ErrorItem
 */

/**
 * @typedef {TimelinePlace & { kind: "slot_edit", path: string, value: unknown, turnId: string | null }}
 *   SlotEditItem the user's own edit; null clears
 */

/**
 * @typedef {TimelinePlace & { kind: "restart", runId: string | null, fromStage: string | null }} RestartItem
 *   an operator took the session up again
 */

/**
 * @typedef {TimelinePlace & { kind: "notice", notice: "stopped" }
 *   | TimelinePlace & { kind: "notice", notice: "budget", budget: string, used: number }
 * } NoticeItem an operator ended what was under way; or a budget is running out
 */

/** @typedef {MessageItem | RunItem | ErrorItem | SlotEditItem | RestartItem | NoticeItem} TimelineItem */

/**
 * A slot that was ever told of.
 *
 * @typedef {object} Slot
 * @property {string} path
 * @property {unknown} value a text, a list of texts, a number; null when it was cleared
 * @property {number} confidence 0 to 1
 * @property {SlotSource} source
 * @property {number} seq
 * @property {string} at ISO 8601
 * @property {string | null} turnId
 */

/**
 * @typedef {object} Stage
 * @property {string} id
 * @property {"waiting" | "running" | "completed" | "failed"} status `waiting` too when its run was cancelled
 * @property {number} attempt 0 before the first, and of an output that was adopted from an earlier run
 * @property {string | null} startedAt of this attempt, ISO 8601
 * @property {string | null} endedAt ISO 8601
 * @property {unknown} output grows while it runs; authoritative once completed; null when what was shown is
 *   void
 * @property {ErrorBody | null} error why the last attempt failed; of a running stage: why it is tried again
 * @property {Provenance | null} provenance
 * @property {number} dropped elements that a check dropped
 * @property {ReadonlyArray<SupportingSource>} sources
 * @property {ReadonlyArray<CheckNote>} notes
 */

/**
 * @typedef {object} Waiver what a draft goes without
 * @property {string} runId
 * @property {ReadonlyArray<string>} missing_required
 * @property {ReadonlyArray<string>} low_confidence
 */

/**
 * @typedef {object} Run
 * @property {string} runId
 * @property {string | null} jobId
 * @property {Mode} mode
 * @property {Locale} locale
 * @property {boolean} draft
 * @property {Waiver | null} waived
 * @property {ReadonlyArray<FrozenSlot>} brief
 * @property {string | null} fromRun
 * @property {string | null} fromStage
 * @property {string} startedAt ISO 8601
 * @property {string | null} endedAt ISO 8601
 * @property {"running" | "completed" | "failed" | "cancelled"} status
 * @property {number} budgetMs
 * @property {ReadonlyArray<Stage>} stages
 */

/**
 * @typedef {object} Asset
 * @property {string} assetId
 * @property {string | null} runId
 * @property {string} kind such as `speech` or `recording`
 * @property {string} url
 * @property {string} mediaType
 * @property {number} sizeBytes
 * @property {Provenance} provenance
 * @property {number} seq
 * @property {string} at ISO 8601
 */

/**
 * The whole of a session, folded from its events.
 *
 * @typedef {object} SessionState
 * @property {string} sessionId
 * @property {string} lastEventId
 * @property {number} lastSeq
 * @property {boolean} replaying until the log was replayed for the first time (and again if it had to begin
 *   anew)
 * @property {string} phase the session's state on the wire, such as `CHAT_COLLECTING`; empty before its first
 *   event
 * @property {Locale} locale
 * @property {Mode} mode
 * @property {PlaybookRef | null} playbook
 * @property {ReadonlyArray<TimelineItem>} timeline in the order of the events
 * @property {null | { turnId: string, attempt: number, text: string, asks: string | null }} reply the one
 *   that grows
 * @property {null | { turnId: string, turn: number, modality: Modality, startedAt: string }} turn the one
 *   under way
 * @property {null | { turnId: string, outcome: TurnOutcome, latency: TurnLatency }} lastTurn
 * @property {Readonly<Record<string, Slot>>} slots by path
 * @property {Gate | null} gate
 * @property {Waiver | null} waiver told already, of a run that is about to start
 * @property {ReadonlyArray<Run>} runs oldest first
 * @property {Readonly<Record<string, JobUpdated>>} jobs by id
 * @property {ReadonlyArray<Asset>} assets
 * @property {ReadonlyArray<{ budget: string, used: number, at: string }>} costsWarnings
 * @property {boolean} simulated whether anything in it was written by a simulator
 * @property {number} events how many were applied
 */

/** The id to begin a log with: everything comes after it. */
export const FIRST_EVENT_ID = "evt_00000";

/**
 * A session of which nothing is known yet.
 *
 * @param {string} sessionId
 * @returns {SessionState}
 */
export function emptyState(sessionId) {
  return {
    sessionId,
    lastEventId: FIRST_EVENT_ID,
    lastSeq: 0,
    replaying: true,
    phase: "",
    locale: "ko",
    mode: "standard",
    playbook: null,
    timeline: [],
    reply: null,
    turn: null,
    lastTurn: null,
    slots: {},
    gate: null,
    waiver: null,
    runs: [],
    jobs: {},
    assets: [],
    costsWarnings: [],
    simulated: false,
    events: 0,
  };
}
