// The forms of the voice stage: the scripts with the words to stress, a player, the script's timing as a bar
// that one can seek in, and the subtitles that go along.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { repeat } from "../../../vendor/lit-html/directives/repeat.js";
import { cssProperties } from "../css_properties.js";
import { clockText } from "../duration.js";
import { fieldLabel, valueLabel } from "../labels.js";
import { localValue } from "../local.js";
import { pauseIcon, playIcon } from "../stage_icons.js";
import { copyButton } from "./copy_button.js";
import { emphasized } from "./emphasis_model.js";
import { recordOf, textOf, textsOf } from "./partial.js";
import { pause, play, PLAYER_KEY, seek } from "./player.js";
import { shareOf, spanAt, timingOf } from "./timing_model.js";

/** @typedef {import("./sections.js").FieldView} FieldView */
/** @typedef {import("./player.js").Player} Player */

/** The script that is timed, and that the player speaks. */
const TIMED_FIELD = "voiceover_script_short";
/** Steps of the slider: a hundredth of the script. */
const SLIDER_STEPS = 100;

/** @param {FieldView} view */
export function script(view) {
  const { value, output, field, stage, t } = view;
  const text = textOf(value);
  const parts = emphasized(text, textsOf(recordOf(output.delivery_profile).emphasis_words));
  return html`
    <div class="section-tools">
      ${copyButton(view, {
        id: `${stage.id}-${field}`,
        text,
        label: t("results.copy_script"),
        words: t("results.copy_script"),
      })}
    </div>
    <div class="sheet script">
      ${field === TIMED_FIELD ? player(view, text) : nothing}
      <p class="script-text">${repeat(parts, (part) => part.start, scriptPart)}</p>
    </div>
  `;
}

/** @param {{text: string, isStressed: boolean}} part */
function scriptPart({ text, isStressed }) {
  return isStressed ? html`<em>${text}</em>` : text;
}

/**
 * @param {FieldView} view
 * @param {string} text
 */
function player(view, text) {
  const { model, stage, t } = view;
  if (model.health?.tts === "not_configured") {
    return html`${timingBar(view, text, null)}
      <p class="player-silent" data-part="player-silent" lang=${t.language}>${t("results.no_voice")}</p>`;
  }
  const isReady = stage.status === "completed";
  const spoken = playerOf(view, text);
  const isPlaying = spoken?.status === "playing";
  const isLoading = spoken?.status === "loading";
  return html`
    ${timingBar(view, text, spoken)}
    <div class="player" data-part="player" data-status=${spoken?.status ?? "idle"} lang=${t.language}>
      <button
        type="button"
        class="button player-button"
        data-kind="primary"
        data-part="play"
        ?disabled=${!isReady || isLoading}
        aria-busy=${isLoading ? "true" : "false"}
        @click=${() => (isPlaying ? pause() : void play(view.actions, text, voiceOf(view)))}
      >
        ${isPlaying ? pauseIcon : playIcon}
        ${t(isLoading ? "results.loading_voice" : isPlaying ? "results.pause" : "results.play")}
      </button>
      <p class="player-clock tabular">
        ${spoken && spoken.durationMs > 0
          ? `${clockText(spoken.share * spoken.durationMs)} / ${clockText(spoken.durationMs)}`
          : " "}
      </p>
      <p class="player-line" lang=${view.run.locale}>${lineNow(view, spoken)}</p>
      <p class="player-trouble">
        ${spoken?.status === "failed" ? spoken.message || t("results.voice_failed") : ""}
      </p>
    </div>
  `;
}

/**
 * The subtitle that is heard now.
 * @param {FieldView} view
 * @param {Player | null} spoken
 */
function lineNow({ output }, spoken) {
  if (!spoken || spoken.status === "loading" || spoken.status === "failed") return "";
  const timing = timingOf(output.timing_map, output.subtitle_lines);
  return spanAt(timing, timing.lines, spoken.share)?.text ?? "";
}

/**
 * Parts and subtitles on the script's own scale, which is known once all of them are. Its place is kept from
 * the beginning, so that nothing moves when they arrive.
 * @param {FieldView} view
 * @param {string} text
 * @param {Player | null} spoken
 */
function timingBar(view, text, spoken) {
  const { model, output, stage, t, actions } = view;
  const isWhole = stage.status !== "running";
  const timing = isWhole ? timingOf(output.timing_map, output.subtitle_lines) : timingOf(null, null);
  const share = spoken?.share ?? 0;
  const line = spoken ? spanAt(timing, timing.lines, share) : null;
  const seekTo = (/** @type {number} */ target) => {
    if (spoken) seek(actions, target);
    else if (canSpeak(view)) void play(actions, text, voiceOf(view), target);
  };
  return html`
    <div class="timing" data-part="timing" ${cssProperties({ "--position": share })}>
      <div class="timing-parts">
        ${timing.parts.map(
          (part) => html`<button
            type="button"
            class="timing-part"
            data-tone=${part.part}
            ?data-now=${spoken !== null && spanAt(timing, timing.parts, share)?.key === part.key}
            ?disabled=${!canSpeak(view)}
            ${cssProperties({
              "--from": shareOf(timing, part.startSeconds),
              "--to": shareOf(timing, part.endSeconds),
            })}
            @click=${() => seekTo(shareOf(timing, part.startSeconds))}
          >
            <span>${valueLabel(model.playbook, part.part)}</span>
            <span class="timing-seconds tabular" lang=${t.language}>${fromTo(part, t)}</span>
          </button>`,
        )}
      </div>
      <div class="timing-scrub">
        <div class="timing-lines" aria-hidden="true">
          ${timing.lines.map(
            (subtitle) => html`<span
              class="timing-line"
              ?data-now=${line?.key === subtitle.key}
              ${cssProperties({
                "--from": shareOf(timing, subtitle.startSeconds),
                "--to": shareOf(timing, subtitle.endSeconds),
              })}
            ></span>`,
          )}
          <span class="timing-head"></span>
        </div>
        <input
          type="range"
          class="timing-slider"
          min="0"
          max=${SLIDER_STEPS}
          .value=${String(Math.round(share * SLIDER_STEPS))}
          aria-label=${t("results.position")}
          aria-valuetext=${t("results.position_of", {
            position: clockText(share * timing.totalSeconds * 1000),
            total: clockText(timing.totalSeconds * 1000),
          })}
          ?disabled=${!spoken || spoken.status === "loading"}
          @input=${(/** @type {Event} */ event) =>
            seekTo(Number(/** @type {HTMLInputElement} */ (event.currentTarget).value) / SLIDER_STEPS)}
        />
      </div>
    </div>
  `;
}

/** @param {FieldView} view */
export function subtitles(view) {
  const { value, output, actions, t } = view;
  const timing = timingOf(output.timing_map, value);
  const text = textOf(output[TIMED_FIELD]);
  const spoken = playerOf(view, text);
  const now = spoken ? spanAt(timing, timing.lines, spoken.share) : null;
  return html`<ol class="subtitles" data-part="subtitles">
    ${timing.lines.map(
      (line) => html`<li>
        <button
          type="button"
          class="subtitle"
          aria-current=${now?.key === line.key ? "true" : "false"}
          ?disabled=${!canSpeak(view)}
          @click=${() => void play(actions, text, voiceOf(view), shareOf(timing, line.startSeconds))}
        >
          <span class="subtitle-time tabular" lang=${t.language}>${fromTo(line, t)}</span>
          <span>${line.text}</span>
        </button>
      </li>`,
    )}
  </ol>`;
}

/** @param {FieldView} view */
export function delivery({ value, model }) {
  const fields = recordOf(value);
  return html`<dl class="facts">
    <div class="fact" data-plain>
      <dt>${fieldLabel(model.playbook, "pace")}</dt>
      <dd>${valueLabel(model.playbook, textOf(fields.pace))}</dd>
    </div>
    <div class="fact">
      <dt>${fieldLabel(model.playbook, "emphasis_words")}</dt>
      <dd>
        <ul class="chips">
          ${textsOf(fields.emphasis_words).map((word) => html`<li class="chip">${word}</li>`)}
        </ul>
      </dd>
    </div>
  </dl>`;
}

/** @param {FieldView} view */
export function speechSettings({ value, model }) {
  return html`<dl class="facts">
    ${Object.entries(recordOf(value)).map(
      ([key, setting]) => html`<div class="fact" data-plain>
        <dt>${fieldLabel(model.playbook, key)}</dt>
        <dd>${textOf(setting)}</dd>
      </div>`,
    )}
  </dl>`;
}

/**
 * The player, if it is this script that it speaks.
 * @param {FieldView} view
 * @param {string} text
 */
function playerOf({ model }, text) {
  const player = localValue(model, PLAYER_KEY, /** @type {Player | null} */ (null));
  return player?.text === text ? player : null;
}

/** @param {FieldView} view */
function canSpeak({ model, stage }) {
  return stage.status === "completed" && model.health?.tts !== "not_configured";
}

/** @param {FieldView} view */
function voiceOf({ model }) {
  return model.ui.voice.voicePreset || model.playbook?.voices[0]?.id || "";
}

/**
 * @param {{startSeconds: number, endSeconds: number}} span
 * @param {import("../../texts/translate.js").Translate} t
 */
function fromTo({ startSeconds, endSeconds }, t) {
  const seconds = (/** @type {number} */ value) => t.number(value, { maximumFractionDigits: 1 });
  return t("results.seconds", { from: seconds(startSeconds), to: seconds(endSeconds) });
}
