// One thing that was said: by whom, by voice or by hand, how much of it was heard, and where its words come
// from.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { languageOf } from "../texts/language_of.js";
import { microphoneIcon, moreIcon } from "./icons.js";
import { messageElementId } from "./places.js";

/**
 * @typedef {import("../../client/src/state.js").MessageItem} MessageItem
 * @typedef {import("../texts/translate.js").Translate} Translate
 */

/**
 * A final text.
 *
 * @param {object} parts
 * @param {MessageItem} parts.item
 * @param {import("../store.js").Turn | undefined} parts.turn   how its turn ended, once it has
 * @param {number} parts.heardLength                            characters of it that were heard
 * @param {Translate} parts.t
 */
export const message = ({ item, turn, heardLength, t }) => html`
  <li
    class="said"
    id=${messageElementId(item.messageId)}
    tabindex="-1"
    data-part="message"
    data-role=${item.role}
    data-modality=${item.modality}
  >
    <p class="said-words" lang=${item.locale ?? languageOf(item.text)}>${unseen(
      t(`room.by_${item.role}`),
    )}${words(item.text, heardLength, t)}</p>
    <div class="said-about">
      ${
        item.modality === "voice"
          ? html`<span class="said-mark" title=${t("room.by_voice")}>
            ${microphoneIcon}<span class="visually-hidden">${t("room.by_voice")}</span>
          </span>`
          : nothing
      }
      ${
        item.truncated
          ? html`<span class="said-mark" data-part="truncated">${t("room.truncated")}</span>`
          : nothing
      }
      <details class="origin" data-part="origin">
        <summary title=${t("room.about")}>${moreIcon}${unseen(t("room.about"))}</summary>
        <dl class="origin-facts">
          <div><dt>${t("room.origin")}</dt><dd>${originOf(item.provenance, t)}</dd></div>
          <div>
            <dt>${t("room.said_at")}</dt>
            <dd><time datetime=${item.at}>${t.time(item.at, TO_THE_SECOND)}</time></dd>
          </div>
          ${item.role === "assistant" && turn ? latencyFacts(turn, t) : nothing}
        </dl>
      </details>
    </div>
  </li>
`;

/**
 * Words for who does not see where a text stands. No blank around them: a text's lines are kept as they are.
 *
 * @param {string} text
 */
const unseen = (text) => html`<span class="visually-hidden">${text}</span>`;

/** @type {Intl.DateTimeFormatOptions} */
const TO_THE_SECOND = { hour: "numeric", minute: "2-digit", second: "2-digit" };

/**
 * @param {string} text
 * @param {number} heardLength
 * @param {Translate} t
 */
const words = (text, heardLength, t) =>
  heardLength >= text.length
    ? text
    : html`${text.slice(0, heardLength)}<span class="unheard" data-part="unheard"
          ><span class="visually-hidden">${t("room.unheard")}</span>${text.slice(heardLength)}</span
        >`;

/**
 * Where a text comes from, in a few words.
 *
 * @param {import("../../client/src/state.js").Provenance} provenance
 * @param {Translate} t
 */
function originOf(provenance, t) {
  switch (provenance.kind) {
    case "model": {
      const name = t("room.origin_model", { provider: provenance.provider, model: provenance.model });
      return provenance.simulated
        ? html`<strong class="simulated-word">${t("room.simulated")}</strong> ${name}`
        : name;
    }
    case "playbook":
      return t("room.origin_playbook", { key: provenance.key });
    case "user":
      return t("room.origin_user");
    case "operator":
      return t("room.origin_operator");
    default:
      return nothing;
  }
}

/**
 * What the user waited for, part by part.
 *
 * @param {import("../store.js").Turn} turn
 * @param {Translate} t
 */
const latencyFacts = ({ latency }, t) => html`
  <div>
    <dt>${t("room.latency")}</dt>
    <dd>
      <strong class="tabular">${durationOf(latency.total_ms, t)}</strong>
      <ul class="latency-parts">
        ${latency.segments.map(
          (segment) => html`<li>
            ${segmentName(segment.segment, t)} <span class="tabular">${durationOf(segment.ms, t)}</span>
          </li>`,
        )}
      </ul>
    </dd>
  </div>
`;

/**
 * @param {string} name
 * @param {Translate} t
 */
function segmentName(name, t) {
  const key = `room.latency_${name}`;
  return t.has(key) ? t(key) : name;
}

/**
 * @param {number} ms
 * @param {Translate} t
 */
function durationOf(ms, t) {
  if (ms < 1000) return t("room.milliseconds", { count: t.number(Math.round(ms)) });
  return t("room.seconds", { count: t.number(ms / 1000, { maximumFractionDigits: 1 }) });
}

/**
 * The reply as it comes.
 *
 * @param {{text: string}} reply
 * @param {number} heardLength
 * @param {Translate} t
 */
export const growingReply = (reply, heardLength, t) =>
  reply.text
    ? html`<li class="said" data-part="reply-growing" data-role="assistant">
        <p class="said-words" lang=${languageOf(reply.text)}>${unseen(t("room.by_assistant"))}${words(
          reply.text,
          heardLength,
          t,
        )}<span class="caret" aria-hidden="true"></span></p>
        <div class="said-about"></div>
      </li>`
    : thinking(t);

/**
 * A turn is under way, and has no words yet.
 *
 * @param {Translate} t
 */
export const thinking = (t) => html`
  <li class="said" data-part="thinking" data-role="assistant">
    <p class="said-words dots">${unseen(t("room.thinking"))}<i></i><i></i><i></i></p>
    <div class="said-about"></div>
  </li>
`;

/**
 * What is being said, as it is recognised: where its message will stand.
 *
 * @param {string} text
 * @param {Translate} t
 */
export const partialWords = (text, t) => html`
  <li class="said" data-part="partial" data-role="user" data-modality="voice">
    <p class="said-words" lang=${languageOf(text)}>${unseen(t("room.hearing"))}${text || listening}</p>
    <div class="said-about"><span class="said-mark">${microphoneIcon}</span></div>
  </li>
`;

const listening = html`<span class="dots"><i></i><i></i><i></i></span>`;

/**
 * Typed, and on its way.
 *
 * @param {import("../store.js").PendingMessage} pending
 * @param {import("../store.js").Model} model
 * @param {Translate} t
 */
export const pendingMessage = (pending, model, t) => html`
  <li class="said" data-part="pending" data-role="user" data-waiting=${model.connection.status !== "open"}>
    <p class="said-words" lang=${languageOf(pending.text)}>${pending.text}</p>
    <div class="said-about"><span class="said-mark pending-mark">${t("room.sending")}</span></div>
  </li>
`;
