// The brief: cards in the groups of the playbook's paths, which fill as the conversation goes on.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { guard } from "../../vendor/lit-html/directives/guard.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { cardGroups, requiredCount } from "./brief_model.js";
import { editKey, sourceKey } from "./local.js";
import { showStage } from "./places.js";
import { activeRun } from "./run_model.js";
import { slotCard } from "./slot_card.js";

/** @type {import("../view.js").View} */
export const brief = (model, actions, t) => {
  const { session, playbook } = model;
  if (!session || !playbook) return isOnItsWay(model) ? briefSkeleton(t) : nothing;
  const isFrozen = activeRun(session.runs) !== null;
  const { filled, required } = requiredCount(playbook, session.gate);
  const groups = cardGroups(playbook, session.slots, session.gate);
  return html`
    <div class="brief-sheet" ?data-frozen=${isFrozen}>
      <div class="brief-count">
        <span>${t("brief.filled", { filled, required })}</span>
        ${required > 0
          ? html`<progress max=${required} value=${filled} aria-label=${t("brief.completeness")}></progress>`
          : nothing}
        ${session.gate?.ready && session.runs.length === 0
          ? html`<button type="button" class="text-button brief-to-stage" @click=${() => showStage(actions)}>
              ${t("brief.to_stage")}
            </button>`
          : nothing}
      </div>
      ${repeat(
        groups,
        (group) => group.id,
        (group) => html`
          <div class="brief-group" role="group" aria-labelledby=${`brief-group-${group.id}`}>
            <h3 class="eyebrow" id=${`brief-group-${group.id}`}>${groupName(group.id, t)}</h3>
            <div class="brief-cards">
              ${repeat(
                group.cards,
                (card) => card.path,
                (card) =>
                  guard(
                    [
                      card.slot,
                      card.state,
                      card.spec,
                      isFrozen,
                      t.language,
                      session.timeline.length,
                      model.ui.local[editKey(card.path)],
                      model.ui.local[sourceKey(card.path)],
                    ],
                    () => slotCard({ card, isFrozen, model, actions, t }),
                  ),
              )}
            </div>
          </div>
        `,
      )}
      <p class="brief-frozen" id="brief-frozen" ?data-idle=${!isFrozen}>${t("brief.frozen")}</p>
    </div>
  `;
};

/**
 * A group's name, where the page has one for it; else the group's own.
 * @param {string} id
 * @param {import("../texts/translate.js").Translate} t
 */
function groupName(id, t) {
  const key = `brief.group_${id}`;
  return t.has(key) ? t(key) : id;
}

/**
 * Whether there will be a brief: not of a session that is gone, nor of one that could not be begun.
 * @param {import("../store.js").Model} model
 */
function isOnItsWay({ connection, ui }) {
  return connection.status !== "closed" && ui.boot !== "failed";
}

/** @param {import("../texts/translate.js").Translate} t */
function briefSkeleton(t) {
  return html`
    <div class="brief-sheet" aria-busy="true">
      <p class="visually-hidden">${t("brief.loading")}</p>
      ${[3, 2, 2].map(
        (cards) => html`
          <div class="brief-group" aria-hidden="true">
            <div class="skeleton-line"></div>
            <div class="brief-cards">
              ${Array.from({ length: cards }, () => html`<div class="slot-card skeleton-card"></div>`)}
            </div>
          </div>
        `,
      )}
    </div>
  `;
}
