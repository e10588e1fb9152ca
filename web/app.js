// The page is a fold of the session's log: every event changes `view`, and `view` is drawn. It never shows anything
// that the server did not send, and comes back after a broken connection with the last event it saw.
"use strict";

const TEXTS = {
  ko: {
    language: "언어", newSession: "새 대화", token: "접속 토큰", enter: "들어가기", conversation: "대화", message: "메시지",
    send: "보내기", stopReply: "답변 멈추기", brief: "브리프", generate: "결과 만들기", draft: "지금 정보로 초안 만들기",
    cancel: "취소", retry: "실패한 단계부터 다시", stages: "단계와 결과", events: "이벤트", editHint: "값을 고치고 Enter를 누르세요. 목록은 쉼표로 나눕니다.",
    connected: "연결됨", connecting: "연결 중…", disconnected: "끊김, 다시 연결 중…", ready: "시작할 수 있습니다.",
    missing: "아직 필요한 정보: ", unsure: "확인이 필요한 정보: ", simulated: "모의 AI: 실제 결과가 아닙니다",
    simulatedOrigin: "모의 AI", playbook: "준비된 문구", user: "내 말", operator: "운영자", truncated: "끊긴 답변",
    running: "진행 중", completed: "완료", failed: "실패", waiting: "대기", attempt: "번째 시도", dropped: "확인되지 않아 뺀 항목: ",
    draftRun: "초안 (빠진 정보가 있습니다)", draining: "서버를 교체하는 중입니다. 곧 다시 연결합니다.",
    lost: "이 대화를 찾을 수 없습니다. 새 대화를 시작하세요.",
  },
  en: {
    language: "Language", newSession: "New session", token: "Access token", enter: "Enter", conversation: "Conversation",
    message: "Message", send: "Send", stopReply: "Stop reply", brief: "Brief", generate: "Generate",
    draft: "Draft with what we have", cancel: "Cancel", retry: "Retry from the failed stage", stages: "Stages and results",
    events: "Events", editHint: "Change a value and press Enter. Separate the items of a list with commas.",
    connected: "connected", connecting: "connecting…", disconnected: "disconnected, reconnecting…", ready: "Ready to start.",
    missing: "Still missing: ", unsure: "Please confirm: ", simulated: "SIMULATED AI: nothing here is a real result",
    simulatedOrigin: "SIMULATED", playbook: "prepared phrase", user: "your words", operator: "operator", truncated: "cut off",
    running: "running", completed: "completed", failed: "failed", waiting: "waiting", attempt: ". attempt",
    dropped: "Dropped because unverified: ", draftRun: "Draft (with gaps)",
    draining: "The server is being replaced; reconnecting shortly.", lost: "There is no such session. Start a new one.",
  },
};

const byId = (id) => document.getElementById(id);
const stored = (key) => localStorage.getItem(`greenroom.${key}`);
const store = (key, value) => localStorage.setItem(`greenroom.${key}`, value);

const RECONNECT_MS = [250, 1000, 2000, 5000];
const EVENTS_SHOWN_MAX = 300;

let language = stored("language") ?? (navigator.language.startsWith("ko") ? "ko" : "en");
let sessionId = stored("session");
let socket = null;
let failures = 0;
let view = emptyView();
/** Commands that the server has not answered yet; sent again under the same id after a reconnect. */
const unanswered = new Map();

function emptyView() {
  return {
    lastEventId: "evt_00000", state: "", slots: new Map(), gate: null, messages: [], partial: null, turnId: null, runId: null,
    draft: false, stages: new Map(), simulated: false, events: [],
  };
}

const t = (key) => TEXTS[language][key];

// ---------------------------------------------------------------- who we are

/** Kept for as long as this browser keeps it: sessions belong to it. */
function userKey() {
  let key = stored("user");
  if (!key) {
    key = `web-${randomId()}`;
    store("user", key);
  }
  return key;
}

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function request(path, options = {}) {
  const headers = { "X-User-Key": userKey(), "Accept-Language": language, ...options.headers };
  const token = stored("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { ...options, headers });
  const body = await response.json();
  if (response.ok) return body;
  if (response.status === 401) byId("credentials").hidden = false;
  throw Object.assign(new Error(body.error.message), { code: body.error.code });
}

// ---------------------------------------------------------------- the session and its socket

async function begin() {
  try {
    const created = await request("/api/chat/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ locale: language }),
    });
    sessionId = created.session_id;
    store("session", sessionId);
    await open();
  } catch (error) {
    notice(error.message);
  }
}

/** Takes the session up from the first event: what the page shows is folded anew. */
async function open() {
  view = emptyView();
  unanswered.clear();
  try {
    const session = await request(`/api/chat/session/${sessionId}`);
    for (const [group, slots] of Object.entries(session.brief_slots)) {
      for (const name of Object.keys(slots)) view.slots.set(`${group}.${name}`, null);
    }
    view.state = session.state;
    view.gate = session.gate;
  } catch (error) {
    if (error.code === "SESSION_NOT_FOUND" || error.code === "SESSION_GONE") return begin();
    notice(error.message);
    return;
  }
  byId("credentials").hidden = true;
  draw();
  connect();
}

function connect() {
  const previous = socket;
  socket = null;
  previous?.close();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const url = `${scheme}://${location.host}/api/chat/session/${sessionId}/ws?last_event_id=${view.lastEventId}`;
  const protocols = ["greenroom.v1", `user.${userKey()}`];
  const token = stored("token");
  if (token) protocols.push(`token.${token}`);
  const opened = new WebSocket(url, protocols);
  socket = opened;
  connection("connecting");
  opened.onopen = () => {
    failures = 0;
    connection("connected");
    for (const frame of unanswered.values()) opened.send(JSON.stringify(frame));
  };
  opened.onmessage = (message) => receive(JSON.parse(message.data));
  opened.onclose = (close) => {
    if (socket !== opened) return;
    connection("disconnected");
    if (close.code === 4004) return notice(t("lost"));
    const delay = RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)];
    failures += 1;
    setTimeout(() => socket === opened && connect(), delay);
  };
}

function command(type, fields = {}) {
  const frame = { type, id: randomId(), ...fields };
  unanswered.set(frame.id, frame);
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

function receive(frame) {
  if (frame.seq !== undefined && frame.event_id) {
    view.lastEventId = frame.event_id;
    fold(frame);
  } else {
    signal(frame);
  }
  draw();
}

function signal(frame) {
  switch (frame.type) {
    case "accepted":
      unanswered.delete(frame.id);
      break;
    case "rejected":
      if (frame.error.retryable) putBack(unanswered.get(frame.id));
      unanswered.delete(frame.id);
      notice(describe(frame.error));
      break;
    case "notice":
      notice(describe(frame.error));
      break;
    case "server.draining":
      notice(t("draining"));
      break;
  }
}

/** A message that may be taken later goes back to where it was typed, before whatever has been typed since. */
function putBack(rejected) {
  if (rejected?.type !== "user.message") return;
  const box = byId("text");
  box.value = [rejected.text, box.value].filter(Boolean).join("\n");
}

function describe(error) {
  const details = typeof error.details === "string" ? ` (${error.details})` : "";
  return `${error.message} [${error.code}]${details}`;
}

// ---------------------------------------------------------------- the fold

function fold({ event_id: id, type, data }) {
  view.events.push({ id, type, data });
  if (view.events.length > EVENTS_SHOWN_MAX) view.events.shift();
  if (data.provenance) noteOrigin(data.provenance);
  switch (type) {
    case "session.started":
      view.state = data.state;
      break;
    case "turn.started":
      view.turnId = data.turn_id;
      view.partial = null;
      break;
    case "planner.delta":
      if (!view.partial || data.attempt > view.partial.attempt) view.partial = { attempt: data.attempt, text: "" };
      if (data.append !== undefined) view.partial.text += data.append;
      else view.partial.text = typeof data.value === "string" ? data.value : "";
      break;
    case "message.added":
      view.messages.push(data);
      if (data.role === "assistant") view.partial = null;
      break;
    case "slot.updated":
      view.slots.set(data.path, data.value);
      break;
    case "gate.ready":
    case "gate.changed":
      view.gate = data;
      break;
    case "turn.completed":
      if (view.turnId === data.turn_id) {
        view.turnId = null;
        view.partial = null;
      }
      break;
    case "run.started":
      view.runId = data.run_id;
      view.draft = data.draft;
      view.stages = new Map(data.stages.map((stage) => [stage, { status: "waiting", attempt: 0, output: null }]));
      break;
    case "stage.changed":
      view.state = data.state;
      for (const failure of data.failures ?? []) {
        const stage = view.stages.get(failure.stage);
        if (stage) Object.assign(stage, { status: "failed", error: describe(failure.error) });
      }
      break;
    case "stage.started":
      view.stages.set(data.stage, { status: "running", attempt: data.attempt, output: null });
      break;
    case "stage.completed": {
      const { attempt, output, provenance, dropped } = data;
      view.stages.set(data.stage, { status: "completed", attempt, output, provenance, dropped });
      break;
    }
    case "run.cancelled":
      for (const stage of view.stages.values()) if (stage.status === "running") stage.status = "waiting";
      break;
    case "error":
      if (!data.will_retry) notice(describe(data));
      break;
    default:
      if (type.endsWith(".delta") && data.stage) foldStageDelta(data);
  }
}

function foldStageDelta(delta) {
  const stage = view.stages.get(delta.stage);
  if (!stage || stage.status === "completed" || delta.attempt < stage.attempt) return;
  if (delta.attempt > stage.attempt) Object.assign(stage, { attempt: delta.attempt, output: null, status: "running" });
  stage.output = changed(stage.output, pointer(delta.path), delta);
}

const pointer = (path) => path.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));

/** A document after a delta at a path; missing parents come into being as the path implies. */
function changed(document, path, delta) {
  if (path.length === 0) return delta.append === undefined ? delta.value : `${document ?? ""}${delta.append}`;
  const [head, ...rest] = path;
  const isIndex = /^\d+$/.test(head);
  const parent = document !== null && typeof document === "object" ? document : isIndex ? [] : {};
  // A name such as `__proto__` is a field like any other.
  const before = Object.hasOwn(parent, head) ? parent[head] : null;
  Object.defineProperty(parent, head, {
    value: changed(before, rest, delta), writable: true, enumerable: true, configurable: true,
  });
  return parent;
}

function noteOrigin(provenance) {
  if (provenance.kind === "model" && provenance.simulated) view.simulated = true;
}

// ---------------------------------------------------------------- drawing

let drawing = false;

/** Draws once a frame, however many events came. */
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawHeader();
    drawMessages();
    drawBrief();
    drawStages();
    drawEvents();
  });
}

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function drawHeader() {
  byId("state").textContent = view.state;
  byId("simulated").hidden = !view.simulated;
  byId("simulated").textContent = t("simulated");
  byId("stop-reply").hidden = view.turnId === null;
}

function origin(provenance) {
  if (!provenance) return "";
  switch (provenance.kind) {
    case "model": {
      const name = `${provenance.provider} · ${provenance.model}`;
      if (!provenance.simulated) return element("span", { className: "origin", textContent: name });
      return element("span", { className: "origin simulated", textContent: `${t("simulatedOrigin")} · ${name}` });
    }
    case "playbook":
      return element("span", { className: "origin", textContent: `${t("playbook")} · ${provenance.key}` });
    default:
      return element("span", { className: "origin", textContent: t(provenance.kind) });
  }
}

function drawMessages() {
  const items = view.messages.map((message) => {
    const text = message.truncated ? `${message.text} … (${t("truncated")})` : message.text;
    return element("li", { className: message.role }, text, origin(message.provenance));
  });
  if (view.partial?.text) items.push(element("li", { className: "assistant partial", textContent: view.partial.text }));
  const list = byId("messages");
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
  list.replaceChildren(...items);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function drawBrief() {
  const { gate } = view;
  if (gate) {
    const missing = gate.missing_required.length ? t("missing") + gate.missing_required.join(", ") : "";
    const unsure = gate.low_confidence.length ? t("unsure") + gate.low_confidence.join(", ") : "";
    byId("gate").textContent = gate.ready ? t("ready") : [missing, unsure].filter(Boolean).join(" · ");
    byId("completeness").value = gate.completeness;
  }
  const running = [...view.stages.values()].some((stage) => stage.status === "running");
  const failed = [...view.stages.values()].some((stage) => stage.status === "failed");
  byId("generate").disabled = !gate?.ready || running;
  byId("draft").hidden = Boolean(gate?.ready) || running;
  byId("cancel").hidden = !running;
  byId("retry").hidden = !failed || running;
  const table = byId("slots");
  if (table.contains(document.activeElement)) return;
  table.replaceChildren(...[...view.slots].map(([path, value]) => slotRow(path, value)));
}

function slotRow(path, value) {
  const shown = Array.isArray(value) ? value.join(", ") : value ?? "";
  const input = element("input", { value: shown, ariaLabel: path });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    command("slot.set", { path, value: slotValue(path, value, input.value.trim()) });
    input.blur();
  });
  return element("tr", {}, element("th", { scope: "row", textContent: path }), element("td", {}, input));
}

/** What was typed, in the form that the slot has; the server checks it against the playbook. */
function slotValue(path, before, text) {
  if (text === "") return null;
  const isList = Array.isArray(before) || ["product.features", "channel.channels"].includes(path);
  if (isList) return text.split(",").map((item) => item.trim()).filter(Boolean);
  return /^\d+$/.test(text) && path === "goal.video_seconds" ? Number(text) : text;
}

function drawStages() {
  byId("run").textContent = view.runId ? `${view.runId}${view.draft ? ` · ${t("draftRun")}` : ""}` : "";
  const open = new Map([...byId("stages").children].map((node) => [node.dataset.stage, node.open]));
  const cards = [...view.stages].map(([name, stage]) => {
    const attempt = stage.attempt > 1 ? ` · ${stage.attempt}${t("attempt")}` : "";
    const heading = element("summary", { textContent: `${name}: ${t(stage.status)}${attempt} ` });
    heading.append(origin(stage.provenance));
    const card = element("details", { open: open.get(name) ?? true }, heading);
    card.dataset.stage = name;
    if (stage.error) card.append(element("p", { textContent: stage.error }));
    if (stage.dropped) card.append(element("p", { className: "hint", textContent: t("dropped") + stage.dropped }));
    if (stage.output !== null) card.append(document_(stage.output));
    return card;
  });
  byId("stages").replaceChildren(...cards);
}

/** A JSON document as nested lists. */
function document_(value) {
  if (value === null || typeof value !== "object") return element("span", { textContent: String(value ?? "…") });
  const list = element("dl");
  for (const [name, field] of Object.entries(value)) {
    const label = Array.isArray(value) ? String(Number(name) + 1) : name;
    list.append(element("dt", { textContent: label }), element("dd", {}, document_(field)));
  }
  return list;
}

function drawEvents() {
  const items = view.events.map(({ id, type, data }) =>
    element("li", { textContent: `${id} ${type} ${JSON.stringify(data).slice(0, 160)}` }));
  const list = byId("events");
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
  list.replaceChildren(...items);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function connection(key) {
  byId("connection").textContent = t(key);
}

function notice(text) {
  byId("notice").hidden = !text;
  byId("notice").textContent = text;
}

function speak(chosen) {
  language = chosen;
  store("language", language);
  document.documentElement.lang = language;
  byId("language").value = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  draw();
}

// ---------------------------------------------------------------- what the user does

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (!text) return;
  notice("");
  command("user.message", { text });
  byId("text").value = "";
});
byId("text").addEventListener("keydown", (event) => {
  // While a Korean syllable is being composed, Enter only ends the composition.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("composer").requestSubmit();
  }
});
byId("stop-reply").addEventListener("click", () => command("response.cancel"));
byId("generate").addEventListener("click", () => command("run.generate"));
byId("draft").addEventListener("click", () => command("run.generate", { draft: true }));
byId("cancel").addEventListener("click", () => command("run.cancel"));
byId("retry").addEventListener("click", () => command("run.retry"));
byId("new-session").addEventListener("click", begin);
byId("language").addEventListener("change", (event) => speak(event.target.value));
byId("credentials").addEventListener("submit", (event) => {
  event.preventDefault();
  store("token", byId("token").value.trim());
  notice("");
  sessionId ? open() : begin();
});

speak(language);
// A link such as /?session=sess_… opens that session.
const named = new URLSearchParams(location.search).get("session");
if (named) {
  sessionId = named;
  store("session", named);
}
sessionId ? open() : begin();
