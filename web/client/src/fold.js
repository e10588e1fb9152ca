// A session's state as a function of its events. Pure: the state before is left as it was, and whatever an
// event does not change is the same object before and after.

import { applyDelta } from "./delta.js";

/**
 * @typedef {import("./state.js").SessionState} SessionState
 * @typedef {import("./state.js").SessionEvent} SessionEvent
 * @typedef {import("./state.js").TimelineItem} TimelineItem
 * @typedef {import("./state.js").TimelinePlace} TimelinePlace
 * @typedef {import("./state.js").Run} Run
 * @typedef {import("./state.js").Stage} Stage
 * @typedef {import("./protocol.js").Provenance} Provenance
 * @typedef {import("./protocol.js").StageDelta} StageDelta
 * @typedef {import("./protocol.js").PlannerDelta} PlannerDelta
 */

/** @typedef {Partial<SessionState>} Patch what an event changes */

/**
 * The events whose type has a fixed name, by that name.
 *
 * @typedef {{ [Member in SessionEvent as Member["type"]]: Member }} EventByType
 * @typedef {Exclude<keyof EventByType, `${string}.delta`> | "planner.delta"} FixedType
 */

/**
 * The state after an event. The caller sees to it that it is the next one.
 *
 * @param {SessionState} state
 * @param {SessionEvent} event
 * @returns {SessionState}
 */
export function fold(state, event) {
  return {
    ...state,
    ...patchOf(state, event),
    lastEventId: event.event_id,
    lastSeq: event.seq,
    events: state.events + 1,
  };
}

/**
 * @param {SessionState} state
 * @param {SessionEvent} event
 * @returns {Patch}
 */
function patchOf(state, event) {
  if (Object.hasOwn(FOLDS, event.type)) {
    const foldOne = /** @type {(state: SessionState, event: SessionEvent) => Patch} */ (
      FOLDS[/** @type {keyof typeof FOLDS} */ (event.type)]
    );
    return foldOne(state, event);
  }
  const isStageDelta = event.type.endsWith(".delta") && "stage" in event.data && "path" in event.data;
  return isStageDelta ? foldStageDelta(state, event.created_at, /** @type {StageDelta} */ (event.data)) : {};
}

/** @type {{ [Type in FixedType]?: (state: SessionState, event: EventByType[Type]) => Patch }} */
const FOLDS = {
  "session.started": (_, { data }) => ({
    locale: data.locale, mode: data.mode, playbook: data.playbook, phase: data.state,
  }),

  "session.restarted": (state, event) => ({
    timeline: [...state.timeline, {
      ...placeOf("restart", event),
      kind: "restart",
      runId: event.data.run_id ?? null,
      fromStage: event.data.from_stage ?? null,
    }],
  }),

  "session.stopped": (state, event) => ({
    timeline: [...state.timeline, { ...placeOf("notice", event), kind: "notice", notice: "stopped" }],
  }),

  "turn.started": (_, { data, created_at }) => ({
    turn: { turnId: data.turn_id, turn: data.turn, modality: data.modality, startedAt: created_at },
    reply: null,
  }),

  "message.added": foldMessage,

  "message.heard": (state, { data }) => {
    const index = state.timeline.findLastIndex(
      (item) => item.kind === "message" && item.messageId === data.message_id,
    );
    const item = state.timeline[index];
    if (item?.kind !== "message") return {};
    const heard = { text: data.text, ms: data.heard_ms };
    return { timeline: state.timeline.with(index, { ...item, heard }) };
  },

  "planner.delta": (state, { data }) => foldPlannerDelta(state, /** @type {PlannerDelta} */ (data)),

  "slot.updated": (state, event) => {
    const { path, value, confidence, source } = event.data;
    const turnId = event.data.turn_id ?? null;
    const slot = { path, value, confidence, source, seq: event.seq, at: event.created_at, turnId };
    const slots = { ...state.slots, [path]: slot };
    if (source.kind !== "edit") return { slots };
    const kind = /** @type {const} */ ("slot_edit");
    const edit = { ...placeOf(kind, event), kind, path, value, turnId };
    return { slots, timeline: [...state.timeline, edit] };
  },

  "gate.ready": foldGate,
  "gate.changed": foldGate,

  "gate.waived": (_, { data }) => ({
    waiver: {
      runId: data.run_id,
      missing_required: data.missing_required,
      low_confidence: data.low_confidence,
    },
  }),

  "turn.completed": (state, { data }) => ({
    lastTurn: { turnId: data.turn_id, outcome: data.outcome, latency: data.latency },
    turn: state.turn?.turnId === data.turn_id ? null : state.turn,
    reply: state.reply?.turnId === data.turn_id ? null : state.reply,
  }),

  "run.started": foldRunStarted,

  "stage.changed": (state, { data, created_at }) => {
    const { state: phase, failures = [] } = data;
    const patch = { phase };
    if (data.run_id == null) return patch;
    return {
      ...patch,
      ...withRun(state, data.run_id, (run) => {
        if (phase === "FAILED") {
          const stages = failures.reduce((before, { stage: id, attempt, error }) => (
            withStage(before, id, (stage) => (
              { ...stage, ...endedInFailure(stage, created_at), attempt, error }))
          ), run.stages);
          return { ...run, status: "failed", endedAt: created_at, stages };
        }
        // A retry, or an operator, took it up again.
        return run.status === "failed" ? { ...run, status: "running", endedAt: null } : run;
      }),
    };
  },

  "stage.started": (state, { data, created_at }) => withRun(state, data.run_id, (run) => ({
    ...run,
    stages: withStage(run.stages, data.stage, (stage) => attemptOf(stage, data.attempt, created_at)),
  })),

  "stage.completed": (state, { data, created_at }) => ({
    ...withRun(state, data.run_id, (run) => ({
      ...run,
      stages: withStage(run.stages, data.stage, (stage) => ({
        ...stage,
        status: "completed",
        attempt: data.attempt,
        startedAt: stage.startedAt ?? created_at,
        endedAt: created_at,
        output: data.output,
        error: null,
        provenance: data.provenance,
        dropped: data.dropped,
        sources: data.sources ?? [],
        notes: data.notes ?? [],
      })),
    })),
    simulated: state.simulated || isSimulated(data.provenance),
  }),

  "asset.ready": (state, { seq, created_at, data }) => ({
    assets: [...state.assets, {
      assetId: data.asset_id,
      runId: data.run_id ?? null,
      kind: data.kind,
      url: data.url,
      mediaType: data.media_type,
      sizeBytes: data.size_bytes,
      provenance: data.provenance,
      seq,
      at: created_at,
    }],
    simulated: state.simulated || isSimulated(data.provenance),
  }),

  "job.updated": (state, { data }) => ({ jobs: { ...state.jobs, [data.job_id]: data } }),

  "run.cancelled": (state, { data, created_at }) => withRun(state, data.run_id, (run) => ({
    ...run,
    status: "cancelled",
    endedAt: created_at,
    stages: run.stages.map((stage) => (stage.status === "running" ? waitingStage(stage.id) : stage)),
  })),

  "run.completed": (state, { data, created_at }) => withRun(state, data.run_id, (run) => (
    { ...run, status: "completed", endedAt: created_at })),

  "budget.warning": (state, event) => {
    const { budget, used } = event.data;
    const notice = { ...placeOf("notice", event), kind: /** @type {const} */ ("notice") };
    return {
      costsWarnings: [...state.costsWarnings, { budget, used, at: event.created_at }],
      timeline: [...state.timeline, { ...notice, notice: "budget", budget, used }],
    };
  },

  error: foldError,
};

/**
 * @param {SessionState} state
 * @param {EventByType["message.added"]} event
 * @returns {Patch}
 */
function foldMessage(state, event) {
  const { data } = event;
  const isReply = data.role === "assistant" && state.reply?.turnId === data.turn_id;
  return {
    timeline: [...state.timeline, {
      key: `message:${data.message_id}`,
      seq: event.seq,
      at: event.created_at,
      kind: "message",
      messageId: data.message_id,
      turnId: data.turn_id ?? null,
      role: data.role,
      modality: data.modality,
      text: data.text,
      truncated: data.truncated,
      asks: data.asks ?? null,
      locale: data.locale ?? null,
      provenance: data.provenance,
      heard: null,
    }],
    reply: isReply ? null : state.reply,
    locale: data.role === "user" && data.locale != null ? data.locale : state.locale,
    simulated: state.simulated || isSimulated(data.provenance),
  };
}

/**
 * @param {SessionState} state
 * @param {PlannerDelta} data
 * @returns {Patch}
 */
function foldPlannerDelta(state, data) {
  const { turn_id: turnId, attempt } = data;
  const before = state.reply?.turnId === turnId ? state.reply : null;
  if (before !== null && attempt < before.attempt) return {};
  const shown = before !== null && attempt === before.attempt ? before : null;
  const document = applyDelta(shown === null ? null : { reply: shown.text }, data);
  const text = typeof document === "object" && document !== null && "reply" in document ? document.reply : "";
  const asks = data.asks ?? shown?.asks ?? null;
  return { reply: { turnId, attempt, text: typeof text === "string" ? text : "", asks } };
}

/**
 * @param {SessionState} _
 * @param {EventByType["gate.ready"] | EventByType["gate.changed"]} event
 * @returns {Patch}
 */
function foldGate(_, { data }) {
  const { ready, missing_required, low_confidence, completeness } = data;
  return { gate: { ready, missing_required, low_confidence, completeness } };
}

/**
 * @param {SessionState} state
 * @param {EventByType["run.started"]} event
 * @returns {Patch}
 */
function foldRunStarted(state, event) {
  const { data, seq, created_at } = event;
  /** @type {Run} */
  const run = {
    runId: data.run_id,
    jobId: data.job_id ?? null,
    mode: data.mode,
    locale: data.locale,
    draft: data.draft,
    waived: state.waiver?.runId === data.run_id ? state.waiver : null,
    brief: data.brief,
    fromRun: data.from_run ?? null,
    fromStage: data.from_stage ?? null,
    startedAt: created_at,
    endedAt: null,
    status: "running",
    budgetMs: data.budget_ms,
    stages: data.stages.map(waitingStage),
  };
  const { runId } = run;
  return {
    runs: [...state.runs, run],
    waiver: null,
    timeline: [...state.timeline, { key: `run:${runId}`, seq, at: created_at, kind: "run", runId }],
  };
}

/**
 * @param {SessionState} state
 * @param {string} at
 * @param {StageDelta} data
 * @returns {Patch}
 */
function foldStageDelta(state, at, data) {
  return withRun(state, data.run_id, (run) => {
    if (run.status === "cancelled" || run.status === "completed") return run;
    const stages = withStage(run.stages, data.stage, (stage) => {
      const isOver = data.attempt === stage.attempt && stage.status !== "running";
      if (data.attempt < stage.attempt || isOver) return stage;
      const current = data.attempt > stage.attempt ? attemptOf(stage, data.attempt, at) : stage;
      const output = applyDelta(current.output, data);
      return output === current.output ? current : { ...current, output };
    });
    return stages === run.stages ? run : { ...run, stages };
  });
}

/**
 * @param {SessionState} state
 * @param {EventByType["error"]} event
 * @returns {Patch}
 */
function foldError(state, event) {
  const { data, created_at } = event;
  const { code, message, details, retryable, retry_after = null } = data;
  const error = { code, message, details, retryable, retry_after };
  const attempt = data.attempt ?? null;
  const turnId = data.turn_id ?? null;
  const runId = data.run_id ?? null;
  const stageId = data.stage ?? null;
  const place = placeOf("error", event);
  const willRetry = data.will_retry;
  /** @type {TimelineItem} */
  const item = { ...place, kind: "error", error, turnId, runId, stage: stageId, attempt, willRetry };
  const { reply } = state;
  const voidsReply = reply !== null && reply.turnId === turnId && (attempt ?? reply.attempt) >= reply.attempt;
  const patch = {
    timeline: [...state.timeline, item],
    // The attempt stays known, so that nothing late of it is shown.
    reply: voidsReply && reply !== null ? { ...reply, text: "", asks: null } : reply,
  };
  if (runId === null || stageId === null) return patch;
  return {
    ...patch,
    ...withRun(state, runId, (run) => ({
      ...run,
      stages: withStage(run.stages, stageId, (stage) => {
        if (attempt !== null && attempt < stage.attempt) return stage;
        if (willRetry) return { ...stage, output: null, error };
        return { ...stage, ...endedInFailure(stage, created_at), error };
      }),
    })),
  };
}

/**
 * @param {string} kind
 * @param {SessionEvent} event
 * @returns {TimelinePlace}
 */
function placeOf(kind, event) {
  return { key: `${kind}:${event.seq}`, seq: event.seq, at: event.created_at };
}

/**
 * @param {SessionState} state
 * @param {string} runId
 * @param {(run: Run) => Run} change
 * @returns {Patch}
 */
function withRun(state, runId, change) {
  const index = state.runs.findLastIndex((run) => run.runId === runId);
  const run = state.runs[index];
  if (run === undefined) return {};
  const changed = change(run);
  return changed === run ? {} : { runs: state.runs.with(index, changed) };
}

/**
 * @param {ReadonlyArray<Stage>} stages
 * @param {string} id
 * @param {(stage: Stage) => Stage} change
 * @returns {ReadonlyArray<Stage>}
 */
function withStage(stages, id, change) {
  const index = stages.findIndex((stage) => stage.id === id);
  const stage = stages[index];
  if (stage === undefined) return stages;
  const changed = change(stage);
  return changed === stage ? stages : stages.with(index, changed);
}

/**
 * @param {string} id
 * @returns {Stage}
 */
function waitingStage(id) {
  return {
    id,
    status: "waiting",
    attempt: 0,
    startedAt: null,
    endedAt: null,
    output: null,
    error: null,
    provenance: null,
    dropped: 0,
    sources: [],
    notes: [],
  };
}

/**
 * A stage at the beginning of an attempt, which voids what the ones before showed. Why the last one failed
 * stays known.
 *
 * @param {Stage} stage
 * @param {number} attempt
 * @param {string} at
 * @returns {Stage}
 */
function attemptOf(stage, attempt, at) {
  return { ...waitingStage(stage.id), status: "running", attempt, startedAt: at, error: stage.error };
}

/**
 * What an attempt leaves behind when it was the last: its output is void.
 *
 * @param {Stage} stage
 * @param {string} at
 * @returns {{ status: "failed", endedAt: string, output: null }}
 */
function endedInFailure(stage, at) {
  return { status: "failed", endedAt: stage.status === "failed" ? stage.endedAt ?? at : at, output: null };
}

/**
 * @param {Provenance} provenance
 * @returns {boolean}
 */
function isSimulated(provenance) {
  return provenance.kind === "model" && provenance.simulated;
}
