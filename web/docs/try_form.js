// "Try it" of one operation: a form made of its description, and the answer that really came.

import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { exchange, isAbort, release, STREAMED_EVENTS_MAX } from "./exchange.js";
import { headersOf, identity } from "./identity.js";
import { missingOf, requestOf } from "./operation.js";
import { parsed, readable } from "./pretty.js";
import { onRemembered, remembered, rememberIdsOf } from "./remembered.js";
import { language, text } from "./texts.js";

/**
 * @typedef {import("./operation.js").Operation} Operation
 * @typedef {import("./operation.js").Parameter} Parameter
 * @typedef {import("./operation.js").FormField} FormField
 * @typedef {import("./exchange.js").Answer} Answer
 * @typedef {import("../vendor/lit-html/lit-html.js").TemplateResult} TemplateResult
 */

const IDEMPOTENCY_KEY = "Idempotency-Key";

/**
 * Puts the form where the page has room for it. It is closed until it is asked for.
 * @param {HTMLElement} container
 * @param {Operation} operation
 * @param {(said: string) => void} announce
 */
export function mountTryForm(container, operation, announce) {
  /** @type {import("./operation.js").Filled} */
  const filled = {
    parameters: {},
    body: operation.body && !operation.body.fields ? JSON.stringify(operation.body.example, null, 2) : "",
    fields: {},
    accept: operation.answers.length > 1 ? (operation.answers[0] ?? "") : "",
  };
  /** @type {Set<string>} */
  const editedByHand = new Set();
  /** @type {{ open: boolean, request: AbortController | null, answer: Answer | null, failure: string | null }} */
  const state = { open: false, request: null, answer: null, failure: null };

  const prefill = () => {
    for (const { name, required, in: place } of operation.parameters) {
      if (editedByHand.has(name) || !(required || place === "path")) continue;
      filled.parameters[name] = remembered(name) ?? "";
    }
  };
  const update = () => render(template(), container);

  const send = async () => {
    state.request?.abort();
    release(state.answer);
    const request = new AbortController();
    Object.assign(state, { request, answer: null, failure: null });
    update();
    /** @param {Answer} answer */
    const show = (answer) => {
      if (state.request !== request) return;
      state.answer = answer;
      update();
    };
    try {
      const answer = await exchange(
        requestOf(operation, filled, headersOf(identity())),
        show,
        request.signal,
      );
      show(answer);
      if (state.request === request) announce(text("answered", { status: answer.status, ms: answer.tookMs }));
      if (answer.content.kind === "text") rememberIdsOf(parsed(answer.content.text));
      if (answer.content.kind === "events")
        for (const { data } of answer.content.events) rememberIdsOf(parsed(data));
    } catch (error) {
      if (state.request === request && !isAbort(error))
        state.failure = text("not_sent", { reason: String(error) });
    }
    if (state.request === request) state.request = null;
    update();
  };

  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    void send();
  };
  const toggle = () => {
    state.open = !state.open;
    if (!state.open) state.request?.abort();
    prefill();
    update();
  };
  /** @param {string} name @param {string} value */
  const setParameter = (name, value) => {
    editedByHand.add(name);
    filled.parameters[name] = value;
    update();
  };

  /** @returns {TemplateResult} */
  const template = () => {
    const panelId = `${operation.id}-try`;
    const kind = operation.method === "DELETE" ? "danger" : "primary";
    return html`<div class="try" lang=${language}>
      <button
        class="button try-toggle"
        type="button"
        aria-expanded=${state.open}
        aria-controls=${panelId}
        @click=${toggle}
      >
        ${state.open ? text("close") : text("try_it")}
      </button>
      <div id=${panelId} ?hidden=${!state.open}>
        ${
          state.open
            ? html`<form class="try-form" @submit=${submit} novalidate>
                  ${operation.parameters.map(parameterField)}
                  ${operation.body?.fields ? operation.body.fields.map(formField) : nothing}
                  ${operation.body && !operation.body.fields ? bodyField() : nothing}
                  ${operation.answers.length > 1 ? acceptField() : nothing}
                  <div class="try-actions">
                    <button
                      class="button"
                      data-kind=${kind}
                      type="submit"
                      ?disabled=${missingOf(operation, filled).length > 0}
                    >
                      ${text("send")} ${operation.method}
                    </button>
                    ${state.request ? html`<button class="button" type="button" @click=${() => state.request?.abort()}>${text("stop")}</button>` : nothing}
                    ${operation.method === "DELETE" ? html`<span class="hint">${text("deletes")}</span>` : nothing}
                  </div>
                </form>
                ${outcome()}`
            : nothing
        }
      </div>
    </div>`;
  };

  /** @param {Parameter} parameter */
  const parameterField = (parameter) => {
    const id = `${operation.id}-${parameter.name}`;
    const value = filled.parameters[parameter.name] ?? "";
    /** @param {Event & { currentTarget: EventTarget & { value: string } }} event */
    const change = (event) => setParameter(parameter.name, event.currentTarget.value);
    return html`<div class="try-field">
      <label for=${id}
        ><code>${parameter.name}</code>
        <span class="hint">${parameter.required ? text("required") : parameter.in}</span></label
      >
      <div class="try-input">
        ${
          parameter.values.length > 0
            ? choice(id, value, ["", ...parameter.values], change)
            : html`<input
                class="input"
                id=${id}
                name=${parameter.name}
                autocomplete="off"
                spellcheck="false"
                placeholder=${parameter.example ?? ""}
                .value=${value}
                @input=${change}
              />`
        }
        ${
          parameter.name === IDEMPOTENCY_KEY
            ? html`<button
                class="button"
                type="button"
                @click=${() => setParameter(parameter.name, crypto.randomUUID())}
              >
                ${text("fresh_key")}
              </button>`
            : nothing
        }
      </div>
    </div>`;
  };

  /** @param {FormField} field */
  const formField = (field) => {
    const id = `${operation.id}-field-${field.name}`;
    /** @param {Event & { currentTarget: HTMLInputElement }} event */
    const choose = (event) => {
      const [file] = event.currentTarget.files ?? [];
      if (file) filled.fields[field.name] = file;
      else delete filled.fields[field.name];
      update();
    };
    /** @param {Event & { currentTarget: EventTarget & { value: string } }} event */
    const change = (event) => {
      filled.fields[field.name] = event.currentTarget.value;
      update();
    };
    const current = filled.fields[field.name];
    const value = typeof current === "string" ? current : "";
    return html`<div class="try-field">
      <label for=${id}
        ><code>${field.name}</code>
        <span class="hint">${field.required ? text("required") : text("optional")}</span></label
      >
      ${
        field.file
          ? html`<input
              class="input"
              id=${id}
              type="file"
              accept="audio/*,video/webm,video/mp4"
              @change=${choose}
            />`
          : field.values.length > 0
            ? choice(id, value, ["", ...field.values], change)
            : html`<input class="input" id=${id} autocomplete="off" .value=${value} @input=${change} />`
      }
    </div>`;
  };

  const bodyField = () => {
    const id = `${operation.id}-body`;
    const broken = filled.body.trim() !== "" && parsed(filled.body) === null;
    /** @param {Event & { currentTarget: HTMLTextAreaElement }} event */
    const change = (event) => {
      filled.body = event.currentTarget.value;
      update();
    };
    return html`<div class="try-field">
      <label for=${id}>${text("body")} <span class="hint">${operation.body?.media_type}</span></label>
      <textarea
        class="input code-input"
        id=${id}
        rows=${Math.min(12, filled.body.split("\n").length + 1)}
        spellcheck="false"
        aria-describedby=${broken ? `${id}-broken` : nothing}
        .value=${filled.body}
        @input=${change}
      ></textarea>
      ${broken ? html`<p class="hint" id="${id}-broken">${text("body_broken")}</p>` : nothing}
    </div>`;
  };

  const acceptField = () => {
    const id = `${operation.id}-accept`;
    /** @param {Event & { currentTarget: EventTarget & { value: string } }} event */
    const change = (event) => {
      filled.accept = event.currentTarget.value;
      update();
    };
    return html`<div class="try-field">
      <label for=${id}>${text("answer_as")} <span class="hint">Accept</span></label>
      ${choice(id, filled.accept, operation.answers, change)}
    </div>`;
  };

  const outcome = () => {
    if (state.failure) return html`<p class="failure" data-part="failure">${state.failure}</p>`;
    if (!state.answer)
      return state.request ? html`<p class="hint" data-part="waiting">${text("sending")}</p>` : nothing;
    const { status, statusText, tookMs, headers, content } = state.answer;
    return html`<div class="answered" data-part="answer" data-status=${status}>
      <p class="answered-line">
        <span class="status" data-good=${status < 400}>${status}</span> ${statusText}
        <span class="tabular">${text("in_ms", { ms: tookMs })}</span>
      </p>
      <details class="answered-headers">
        <summary>${text("headers")}</summary>
        <dl>
          ${headers.map(
            ([name, value]) =>
              html`<div>
                <dt>${name}</dt>
                <dd>${value}</dd>
              </div>`,
          )}
        </dl>
      </details>
      ${contentOf(content)}
    </div>`;
  };

  onRemembered(() => {
    if (!state.open) return;
    prefill();
    update();
  });
  update();
}

/**
 * @param {string} id
 * @param {string} value
 * @param {string[]} values  an empty one stands for leaving it out
 * @param {(event: Event & { currentTarget: EventTarget & { value: string } }) => void} change
 */
function choice(id, value, values, change) {
  return html`<select class="input" id=${id} @change=${change}>
    ${values.map((each) => html`<option value=${each} ?selected=${each === value}>${each || `(${text("left_out")})`}</option>`)}
  </select>`;
}

/** @param {Answer["content"]} content */
function contentOf(content) {
  switch (content.kind) {
    case "empty":
      return html`<p class="hint">${text("nothing_in_it")}</p>`;
    case "text":
      return html`<pre tabindex="0" role="region" aria-label=${text("answer")} data-part="answer-body">
${readable(content.text)}</pre>`;
    case "file":
      return html` ${content.mediaType.startsWith("audio/") ? html`<audio controls src=${content.url}></audio>` : nothing}
        <p>
          <a class="button" href=${content.url} download=${content.name}
            >${text("download", { name: content.name })}</a
          >
          <span class="hint tabular">${content.mediaType}, ${content.bytes.toLocaleString(language)} B</span>
        </p>`;
    case "events":
      return streamed(content);
  }
}

/** @param {Extract<Answer["content"], { kind: "events" }>} content */
function streamed({ events, count, end }) {
  const states = { open: text("streaming"), ended: text("stream_ended"), stopped: text("stream_stopped") };
  const first = count - events.length;
  return html`<p class="hint tabular" data-part="stream-state" data-end=${end}>
      ${text("stream_events", { count })} · ${states[end]}
    </p>
    ${count > events.length ? html`<p class="hint">${text("stream_shortened", { count: STREAMED_EVENTS_MAX })}</p>` : nothing}
    <ol class="streamed" tabindex="0" aria-label=${text("answer")}>
      ${repeat(
        events,
        (_, index) => first + index,
        ({ type, id, data }) =>
          html`<li>
            <details>
              <summary>
                <code class="log-type">${type}</code> <span class="tabular">${id}</span>
                <span class="preview">${data.slice(0, 120)}</span>
              </summary>
              <pre tabindex="0">${readable(data)}</pre>
            </details>
          </li>`,
      )}
    </ol>`;
}
