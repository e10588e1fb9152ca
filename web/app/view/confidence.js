// How sure something is: a thin bar for the eye, a number in words for everybody.

import { html, svg } from "../../vendor/lit-html/lit-html.js";

/**
 * @param {{confidence: number, isUnsure: boolean, t: import("../texts/translate.js").Translate}} view
 */
export function confidenceMeter({ confidence, isUnsure, t }) {
  const share = Math.min(1, Math.max(0, confidence));
  const percent = t.number(share, { style: "percent", maximumFractionDigits: 0 });
  const words = t(isUnsure ? "brief.unsure" : "brief.sure", { percent });
  return html`
    <p class="confidence" ?data-unsure=${isUnsure}>
      <svg class="confidence-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        ${svg`<rect class="confidence-rest" width="100" height="4"/>
          <rect class="confidence-share" width=${Math.round(share * 100)} height="4"/>`}
      </svg>
      <span class="confidence-words tabular">${words}</span>
    </p>
  `;
}
