// What one takes home of a finished run: the archive, a link to it here, paper.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { localValue, runErrand } from "./local.js";
import { copyButton } from "./results/copy_button.js";
import { downloadIcon, linkIcon, printIcon } from "./stage_icons.js";

/**
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 * @param {import("../texts/translate.js").Translate} t
 * @param {import("./run_model.js").Run} run
 */
export function exportBar(model, actions, t, run) {
  const key = `export:${run.runId}`;
  const errand = localValue(model, key, /** @type {import("./local.js").Errand | null} */ (null));
  const isWorking = errand?.status === "working";
  return html`
    <div class="export-bar" role="group" aria-label=${t("results.take_home")}>
      <button
        type="button"
        class="button"
        data-kind="primary"
        data-part="export"
        ?disabled=${isWorking}
        aria-busy=${isWorking ? "true" : "false"}
        @click=${() => runErrand(actions, key, () => actions.exportRun(run.runId))}
      >
        ${downloadIcon} ${t(isWorking ? "results.exporting" : "results.export")}
      </button>
      ${copyButton(
        { model, actions, t },
        { id: "link", text: globalThis.location.href, label: t("results.copy_link"), icon: linkIcon },
      )}
      <button
        type="button"
        class="icon-button"
        aria-label=${t("results.print")}
        title=${t("results.print")}
        @click=${() => globalThis.print()}
      >
        ${printIcon}
      </button>
      <p class="export-state" data-status=${errand?.status ?? "idle"}>
        ${errand?.status === "failed" ? errand.message : nothing}
        ${errand?.status === "done" ? t("results.exported") : nothing}
      </p>
    </div>
  `;
}
