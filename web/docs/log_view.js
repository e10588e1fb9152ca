// The log of a socket: filtered, paused, copied.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { readable } from "./pretty.js";
import { language, text } from "./texts.js";
import { ENTRIES_MAX, matching } from "./wire_log.js";

/** So many are drawn; the filter finds the others. */
const DRAWN_MAX = 200;

/**
 * @typedef {import("./wire_log.js").Entry} Entry
 * @typedef {import("./wire_log.js").Filter} Filter
 */

/** @type {[Filter["kind"], "show_all" | "show_events" | "show_signals" | "show_sent"][]} */
const KINDS = [
  ["all", "show_all"],
  ["event", "show_events"],
  ["signal", "show_signals"],
  ["sent", "show_sent"],
];
const ARROWS = { event: "←", signal: "←", sent: "→", note: "·" };

/**
 * @param {() => void} update
 * @param {(said: string) => void} announce
 * @param {() => void} clear
 */
export function logView(update, announce, clear) {
  /** @type {Filter} */
  let filter = { kind: "all", type: "" };
  /** What is shown while it is paused. @type {readonly Entry[] | null} */
  let frozen = null;
  const timeFormat = new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hour12: false,
  });

  /** @param {readonly Entry[]} shown */
  const copy = async (shown) => {
    try {
      await navigator.clipboard.writeText(shown.map(({ source }) => source).join("\n"));
      announce(text("copied"));
    } catch {
      announce(text("copy_failed"));
    }
  };

  /** @param {readonly Entry[]} entries */
  const template = (entries) => {
    const frozenAt = frozen?.at(-1)?.number ?? 0;
    const missed = frozen ? entries.filter(({ number }) => number > frozenAt).length : 0;
    const shown = matching(frozen ?? entries, filter);
    const togglePause = () => {
      frozen = frozen ? null : entries;
      update();
    };
    return html`<section class="log" aria-label=${text("log")}>
      <div class="log-tools">
        <div class="log-kinds" role="group" aria-label=${text("show")}>
          ${KINDS.map(
            ([kind, word]) =>
              html`<button
                class="chip"
                type="button"
                aria-pressed=${filter.kind === kind}
                @click=${() => setFilter({ ...filter, kind })}
              >
                ${text(word)}
              </button>`,
          )}
        </div>
        <label class="log-filter"
          ><span class="visually-hidden">${text("filter_type")}</span>
          <input
            class="input"
            placeholder=${text("filter_type")}
            autocomplete="off"
            spellcheck="false"
            .value=${filter.type}
            @input=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ event) => setFilter({ ...filter, type: event.currentTarget.value })}
          />
        </label>
        <div class="log-buttons">
          <button class="chip" type="button" aria-pressed=${frozen !== null} @click=${togglePause}>
            ${frozen ? text("resume") : text("pause")}
          </button>
          <button class="chip" type="button" @click=${() => copy(shown)}>${text("copy")}</button>
          <button
            class="chip"
            type="button"
            @click=${() => {
              frozen = null;
              clear();
            }}
          >
            ${text("clear")}
          </button>
        </div>
      </div>
      ${frozen ? html`<p class="hint">${text("paused", { count: missed })}</p>` : nothing}
      ${entries.length >= ENTRIES_MAX ? html`<p class="hint">${text("log_bounded", { count: ENTRIES_MAX })}</p>` : nothing}
      <ol class="log-entries" data-part="log" tabindex="0" aria-label=${text("log")}>
        ${shown.length === 0 ? html`<li class="hint">${entries.length === 0 ? text("log_empty") : text("log_none_match", { count: entries.length })}</li>` : nothing}
        ${repeat(shown.slice(-DRAWN_MAX).reverse(), ({ number }) => number, entryView)}
      </ol>
    </section>`;
  };

  /** @param {Filter} wanted */
  const setFilter = (wanted) => {
    filter = wanted;
    update();
  };

  /** @param {Entry} entry */
  const entryView = ({ kind, type, seq, atMs, source }) => {
    const time = html`<time datetime=${new Date(atMs).toISOString()}>${timeFormat.format(atMs)}</time>`;
    if (kind === "note")
      return html`<li class="log-entry" data-kind="note" data-type=${type}>
        ${time} <span class="log-note">${source}</span>
      </li>`;
    return html`<li class="log-entry" data-kind=${kind} data-type=${type}>
      <details>
        <summary>
          ${time} <span class="log-arrow" aria-hidden="true">${ARROWS[kind]}</span>
          <span class="visually-hidden">${kind === "sent" ? text("sent") : text("received")}</span>
          <code class="log-type">${type}</code>
          ${seq === null ? nothing : html`<span class="tabular">#${seq}</span>`}
        </summary>
        <pre tabindex="0">${readable(source)}</pre>
      </details>
    </li>`;
  };

  return { template };
}
