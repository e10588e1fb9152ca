// The WebSocket, tried out: connect, send what one likes, and see everything that is said.

import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { headersOf, identity, subprotocolsOf } from "./identity.js";
import { parsed } from "./pretty.js";
import { onRemembered, remember, remembered, rememberIdsOf } from "./remembered.js";
import { closeCodeMeaning, language, text } from "./texts.js";
import { logView } from "./log_view.js";
import { kindOf, withEntry } from "./wire_log.js";

/** How long a connection that is dropped on purpose stays away. */
const AWAY_MS = 1_000;
/** Before the first event: what comes after it is everything. */
const BEFORE_FIRST = "evt_00000";

/**
 * @typedef {object} DescribedFrame
 * @property {HTMLElement} element  where the page describes it
 * @property {string} type
 * @property {Record<string, unknown>} example
 *
 * @typedef {"idle" | "connecting" | "open" | "waiting" | "closed"} Status
 * @typedef {"snapshot" | "start" | "after"} Beginning
 */

/**
 * @param {HTMLElement} container
 * @param {DescribedFrame[]} frames
 * @param {(said: string) => void} announce
 */
export function mountConsole(container, frames, announce) {
  const state = {
    sessionId: remembered("session_id") ?? "",
    /** @type {Status} */
    status: "idle",
    /** @type {Beginning} */
    beginning: "snapshot",
    /** @type {string | null} */
    lastEventId: null,
    frameType: frames[0]?.type ?? "",
    frameText: "",
    /** @type {import("./wire_log.js").Entry[]} */
    entries: [],
    /** @type {string | null} */
    failure: null,
  };
  /** @type {WebSocket | null} */
  let socket = null;
  let drawn = true;

  /** Frames may come by the hundred: the page is drawn once for all that came since the last time. */
  const update = () => {
    if (!drawn) return;
    drawn = false;
    requestAnimationFrame(() => {
      drawn = true;
      render(template(), container);
    });
  };
  const log = logView(update, announce, () => {
    state.entries = [];
    update();
  });

  /**
   * @param {import("./wire_log.js").EntryKind} kind
   * @param {string} type
   * @param {string} source
   * @param {number | null} [seq]
   */
  const note = (kind, type, source, seq = null) => {
    state.entries = withEntry(state.entries, { kind, type, seq, atMs: Date.now(), source });
    update();
  };
  /** @param {Status} status */
  const setStatus = (status) => {
    state.status = status;
    update();
    announce(text(`status_${status}`));
  };

  const createSession = async () => {
    state.failure = null;
    try {
      const headers = { ...headersOf(identity()), "Content-Type": "application/json" };
      const answer = await fetch("/api/chat/session", { method: "POST", headers, body: "{}" });
      const created = await answer.json();
      if (answer.ok) {
        chooseSession(created.session_id);
        remember("session_id", created.session_id);
      } else state.failure = created.error.message;
    } catch (error) {
      state.failure = String(error);
    }
    update();
  };
  /** @param {string} sessionId */
  const chooseSession = (sessionId) => {
    if (sessionId !== state.sessionId) state.lastEventId = null;
    if (state.beginning === "after" && !state.lastEventId) state.beginning = "snapshot";
    state.sessionId = sessionId;
    update();
  };

  const connect = () => {
    const after = { snapshot: null, start: BEFORE_FIRST, after: state.lastEventId }[state.beginning];
    const query = after ? `?last_event_id=${encodeURIComponent(after)}` : "";
    const address = new URL(
      `/api/chat/session/${encodeURIComponent(state.sessionId.trim())}/ws${query}`,
      location.href,
    );
    address.protocol = address.protocol.replace("http", "ws");
    state.failure = null;
    let opened = false;
    try {
      socket = new WebSocket(address, subprotocolsOf(identity()));
    } catch (error) {
      state.failure = String(error);
      return update();
    }
    const own = socket;
    own.binaryType = "arraybuffer";
    setStatus("connecting");
    own.onopen = () => {
      opened = true;
      const where = after ? text("opened_after", { id: after }) : text("opened_snapshot");
      note("note", "open", text("opened", { where }));
      setStatus("open");
    };
    own.onmessage = ({ data }) => receive(data);
    own.onclose = ({ code, reason }) => {
      if (socket !== own) return;
      socket = null;
      if (!opened) return void explainRefusal();
      const meaning = closeCodeMeaning(code);
      const said = text("closed", { code, reason: reason ? ` (${reason})` : "" });
      note("note", "close", meaning ? `${said}. ${meaning}` : said);
      if (state.status !== "waiting") setStatus("closed");
    };
  };

  /** @param {string | ArrayBuffer} data */
  const receive = (data) => {
    if (typeof data !== "string") return note("signal", "audio", text("binary", { bytes: data.byteLength }));
    const message = parsed(data);
    const { kind, type, seq, eventId } = kindOf(message);
    if (eventId) state.lastEventId = eventId;
    rememberIdsOf(message);
    note(kind, type, data, seq);
  };

  /** A browser says nothing of why a socket did not open. The same request without the upgrade is refused alike. */
  const explainRefusal = async () => {
    let reason = text("unexplained");
    try {
      const answer = await fetch(`/api/chat/session/${encodeURIComponent(state.sessionId.trim())}`, {
        headers: headersOf(identity()),
      });
      const { error } = await answer.json();
      if (error) reason = `${error.code}, ${error.message}`;
    } catch {
      // Nobody answers: that is the reason.
    }
    note("note", "close", text("could_not_open", { reason }));
    setStatus("closed");
  };

  const dropAndResume = () => {
    state.beginning = state.lastEventId ? "after" : "snapshot";
    setStatus("waiting");
    socket?.close(1000);
    setTimeout(() => {
      if (state.status === "waiting") connect();
    }, AWAY_MS);
  };
  const disconnect = () => {
    if (socket) socket.close(1000);
    else setStatus("closed");
  };

  const sendFrame = () => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(state.frameText);
    const message = parsed(state.frameText);
    note("sent", kindOf(message).type, state.frameText);
  };
  /** @param {string} type */
  const pick = (type) => {
    const frame = frames.find((candidate) => candidate.type === type);
    if (!frame) return;
    const { id: _, ...fields } = frame.example;
    state.frameType = type;
    state.frameText = JSON.stringify({ ...fields, id: freshId() }, null, 2);
    update();
  };
  const renewId = () => {
    const message = parsed(state.frameText);
    if (typeof message === "object" && message !== null)
      state.frameText = JSON.stringify({ ...message, id: freshId() }, null, 2);
    update();
  };

  const template = () => {
    const isOpen = state.status === "open";
    const isBusy = isOpen || state.status === "connecting" || state.status === "waiting";
    return html`<div class="console-body" lang=${language}>
      <div class="console-controls">
        ${sessionField(isBusy)} ${beginningField(isBusy)}
        <div class="try-actions">
          ${
            isBusy
              ? html`<button class="button" type="button" @click=${disconnect}>${text("disconnect")}</button>
                  <button class="button" type="button" ?disabled=${!isOpen} @click=${dropAndResume}>
                    ${text("drop_and_resume")}
                  </button>`
              : html`<button
                  class="button"
                  data-kind="primary"
                  type="button"
                  ?disabled=${!state.sessionId.trim()}
                  @click=${connect}
                >
                  ${text("connect")}
                </button>`
          }
          <span class="socket-status" data-part="socket-status" data-status=${state.status}
            >${text(`status_${state.status}`)}</span
          >
        </div>
        ${state.failure ? html`<p class="failure">${state.failure}</p>` : nothing}
      </div>
      ${frameEditor(isOpen)} ${log.template(state.entries)}
    </div>`;
  };

  /** @param {boolean} isBusy */
  const sessionField = (isBusy) =>
    html`<div class="try-field">
      <label for="console-session">${text("session")}</label>
      <div class="try-input">
        <input
          class="input"
          id="console-session"
          autocomplete="off"
          spellcheck="false"
          placeholder="sess_…"
          aria-describedby="console-session-hint"
          ?disabled=${isBusy}
          .value=${state.sessionId}
          @input=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => chooseSession(event.currentTarget.value)}
        />
        <button class="button" type="button" ?disabled=${isBusy} @click=${createSession}>
          ${text("new_session")}
        </button>
      </div>
      <p class="hint" id="console-session-hint">${text("session_hint")}</p>
    </div>`;

  /** @param {boolean} isBusy */
  const beginningField = (isBusy) => {
    /** @type {[Beginning, string][]} */
    const choices = [
      ["snapshot", text("begin_snapshot")],
      ["start", text("begin_start")],
    ];
    if (state.lastEventId) choices.push(["after", text("begin_after", { id: state.lastEventId })]);
    /** @param {Event & { currentTarget: HTMLSelectElement }} event */
    const change = (event) => {
      state.beginning = choices[event.currentTarget.selectedIndex]?.[0] ?? "snapshot";
      update();
    };
    return html`<div class="try-field">
      <label for="console-beginning">${text("begin_at")}</label>
      <select class="input" id="console-beginning" ?disabled=${isBusy} @change=${change}>
        ${choices.map(([value, label]) => html`<option value=${value} .selected=${value === state.beginning}>${label}</option>`)}
      </select>
    </div>`;
  };

  /** @param {boolean} isOpen */
  const frameEditor = (isOpen) =>
    html`<div class="console-frame">
      <div class="try-field">
        <label for="console-frame">${text("frame")}</label>
        <select
          class="input"
          id="console-frame"
          @change=${(/** @type {Event & { currentTarget: HTMLSelectElement }} */ event) => pick(event.currentTarget.value)}
        >
          ${frames.map(({ type }) => html`<option value=${type} .selected=${type === state.frameType}>${type}</option>`)}
        </select>
      </div>
      <div class="try-field">
        <label for="console-frame-text">${text("frame_text")}</label>
        <textarea
          class="input code-input"
          id="console-frame-text"
          rows="5"
          spellcheck="false"
          .value=${state.frameText}
          @input=${(/** @type {Event & { currentTarget: HTMLTextAreaElement }} */ event) => {
            state.frameText = event.currentTarget.value;
          }}
        ></textarea>
      </div>
      <div class="try-actions">
        <button
          class="button"
          data-kind=${isOpen ? "primary" : nothing}
          type="button"
          ?disabled=${!isOpen}
          @click=${sendFrame}
        >
          ${text("send_frame")}
        </button>
        <button class="button" type="button" @click=${renewId}>${text("fresh_id")}</button>
      </div>
    </div>`;

  for (const { element, type } of frames) {
    const place = element.querySelector('[data-part="use-frame"]');
    if (!(place instanceof HTMLElement)) continue;
    const use = () => {
      pick(type);
      document.getElementById("console")?.scrollIntoView();
      container.querySelector("textarea")?.focus({ preventScroll: true });
    };
    render(
      html`<button class="button" type="button" lang=${language} @click=${use}>
        ${text("use_in_console")}
      </button>`,
      place,
    );
  }
  onRemembered(() => {
    const known = remembered("session_id");
    if (known && !state.sessionId) chooseSession(known);
  });
  pick(state.frameType);
}

/** A command's id: unique within the session. */
function freshId() {
  return `docs-${crypto.randomUUID().slice(0, 8)}`;
}
