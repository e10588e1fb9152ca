// The conversation: what was typed and what was said, in one line of time, from the newest back as far as is
// asked for.
//
// The scrolling element is laid out from its end (`column-reverse`), so a reader at the end stays there while
// words come, without a script; one who scrolled up stays where they are. As long as all of it fits, it
// stands at the top and grows into free room: nothing that somebody reads moves.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { guard } from "../../vendor/lit-html/directives/guard.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { downIcon, upIcon } from "./icons.js";
import { heardLength } from "./heard.js";
import { growingReply, message, partialWords, pendingMessage, thinking } from "./message.js";
import { stageDirection } from "./stage_direction.js";
import { welcome } from "./welcome.js";

/**
 * @typedef {import("../../client/src/state.js").TimelineItem} TimelineItem
 * @typedef {{key: string, item: TimelineItem, isPauseBefore: boolean}} Entry
 */

/** A silence after which the time is told again. */
const PAUSE_MS = 5 * 60_000;
/** Nearer than this to its end, the timeline counts as being there. */
const AT_END_PX = 80;

/** @type {import("../view.js").View} */
export const timeline = (model, actions, t) => {
  const items = model.session?.timeline ?? [];
  const first = Math.max(0, items.length - model.ui.timelineShown);
  return html`
    <div class="timeline-frame">
      <div
        class="timeline"
        id="timeline"
        tabindex="0"
        role="log"
        aria-live="off"
        aria-labelledby="conversation-title"
        data-part="timeline"
        @scroll=${(/** @type {Event} */ event) => noteEnd(event, actions)}
      >
        <ol class="timeline-entries">
          ${
            first > 0
              ? html`<li class="earlier">
                <button class="button" data-kind="quiet" type="button" @click=${actions.showEarlier}>
                  ${upIcon}${t("room.earlier", { count: t.number(first) })}
                </button>
              </li>`
              : nothing
          }
          ${first === 0 ? welcome(model, actions, t) : nothing}
          ${repeat(
            entriesFrom(items, first),
            (entry) => entry.key,
            (entry) => drawn(entry, model, actions, t),
          )}
          ${repeat(
            model.pending,
            (pending) => pending.key,
            (pending) => pendingMessage(pending, model, t),
          )}
          ${underWay(model, t)}
        </ol>
      </div>
      <button
        class="button newest"
        type="button"
        data-part="newest"
        ?hidden=${model.ui.timelineAtEnd}
        @click=${() => document.getElementById("timeline")?.scrollTo({ top: 0 })}
      >
        ${downIcon}${t("room.newest")}
      </button>
    </div>
  `;
};

/**
 * The entries to draw. The reply of a turn keeps the key that it grew under, so that its place on the page
 * stays the same.
 *
 * @param {readonly TimelineItem[]} items
 * @param {number} first
 * @returns {Entry[]}
 */
function entriesFrom(items, first) {
  /** @type {Set<string>} */
  const answered = new Set();
  return items.slice(first).map((item, index) => {
    const before = items[first + index - 1];
    // The very first stands below the welcome, which needs no time.
    const isPauseBefore = before !== undefined && Date.parse(item.at) - Date.parse(before.at) > PAUSE_MS;
    let key = item.key;
    if (item.kind === "message" && item.role === "assistant" && item.turnId && !answered.has(item.turnId)) {
      answered.add(item.turnId);
      key = replyKey(item.turnId);
    }
    return { key, item, isPauseBefore };
  });
}

/** @param {string} turnId */
const replyKey = (turnId) => `reply:${turnId}`;

/**
 * @param {Entry} entry
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 * @param {import("../texts/translate.js").Translate} t
 */
const drawn = ({ item, isPauseBefore }, model, actions, t) => {
  const turn = item.kind === "message" && item.turnId ? model.turns.get(item.turnId) : undefined;
  const heard = item.kind === "message" ? heardLength(item, model) : 0;
  const run =
    item.kind === "run" ? model.session?.runs.find((candidate) => candidate.runId === item.runId) : undefined;
  return html`${
    isPauseBefore
      ? html`<li class="moment">
        <time datetime=${item.at}>${guard([item.at, t], () => momentOf(item.at, t))}</time>
      </li>`
      : nothing
  }${guard([item, turn, heard, run, model.playbook, t], () =>
    item.kind === "message"
      ? message({ item, turn, heardLength: heard, t })
      : stageDirection({ item, run, model, actions, t }),
  )}`;
};

/** @type {(model: import("../store.js").Model, t: import("../texts/translate.js").Translate) => unknown} */
const underWay = (model, t) => {
  const { session, call } = model;
  const isHeard = call?.status === "hearing" || (call?.partial ?? "") !== "";
  if (isHeard && call) return partialWords(call.partial, t);
  if (model.speechElsewhere) return partialWords("", t);
  if (session?.reply) return growingReply(session.reply, heardLength(session.reply, model), t);
  if (session?.turn && !session.replaying && !isAnswered(session)) return thinking(t);
  return nothing;
};

/**
 * Whether the turn under way has its text already, and only its voice is waited for.
 *
 * @param {import("../store.js").SessionState} session
 */
function isAnswered({ timeline: items, turn }) {
  const last = items.findLast((item) => item.kind === "message");
  return last?.role === "assistant" && last.turnId === turn?.turnId;
}

/**
 * @param {Event} event
 * @param {import("../actions.js").Actions} actions
 */
function noteEnd(event, actions) {
  // Laid out from its end, the end is at 0 and what came before lies at negative distances.
  actions.setTimelineAtEnd(Math.abs(/** @type {Element} */ (event.currentTarget).scrollTop) < AT_END_PX);
}

/** @type {Intl.DateTimeFormatOptions} */
const TODAY = { hour: "numeric", minute: "2-digit" };
/** @type {Intl.DateTimeFormatOptions} */
const OTHER_DAY = { month: "long", day: "numeric", hour: "numeric", minute: "2-digit" };

/**
 * @param {string} at
 * @param {import("../texts/translate.js").Translate} t
 */
function momentOf(at, t) {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return t.time(at, isToday ? TODAY : OTHER_DAY);
}
