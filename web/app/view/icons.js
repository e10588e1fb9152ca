// The page's pictures: lines on a field of 24, in the colour of the text around them. They say nothing to a
// screen reader; what they stand for is said beside them.

import { html, svg } from "../../vendor/lit-html/lit-html.js";

/** @param {import("../../vendor/lit-html/lit-html.js").SVGTemplateResult} lines */
const icon = (lines) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${lines}</svg>`;

export const microphoneIcon = icon(svg`
  <rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />`);
export const microphoneOffIcon = icon(svg`
  <path d="M9 5.5A3 3 0 0 1 15 6v5M9 9.5V11a3 3 0 0 0 4.5 2.6M5.5 11.5a6.5 6.5 0 0 0 10.6 5" />
  <path d="M18.4 12.6l.1-1.1M12 18v3M4 4l16 16" />`);
export const holdIcon = icon(svg`
  <path d="M4 8.5h16v7H4zM8 12h8" />`);
export const wavesIcon = icon(svg`<path d="M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4" />`);
export const sendIcon = icon(svg`<path d="M12 19V5M6 11l6-6 6 6" />`);
export const stopIcon = icon(svg`<rect x="7" y="7" width="10" height="10" rx="1.5" />`);
export const hangUpIcon = icon(svg`<path d="M6 6l12 12M18 6L6 18" />`);
export const closeIcon = hangUpIcon;
export const slidersIcon = icon(svg`
  <path d="M4 7h9M17 7h3M4 17h3M11 17h9" /><circle cx="15" cy="7" r="2" /><circle cx="9" cy="17" r="2" />`);
export const sessionsIcon = icon(svg`
  <path d="M4.5 5h15v10.5h-8L7 19.5v-4H4.5z" /><path d="M8.5 9h7M8.5 12h4" />`);
export const plusIcon = icon(svg`<path d="M12 5v14M5 12h14" />`);
export const trashIcon = icon(svg`
  <path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5" />`);
export const searchIcon = icon(svg`<circle cx="11" cy="11" r="6" /><path d="M15.5 15.5L20 20" />`);
export const downIcon = icon(svg`<path d="M12 5v14M6 13l6 6 6-6" />`);
export const upIcon = icon(svg`<path d="M6 14l6-6 6 6" />`);
export const moreIcon = icon(svg`
  <circle cx="6" cy="12" r=".6" /><circle cx="12" cy="12" r=".6" /><circle cx="18" cy="12" r=".6" />`);
export const systemThemeIcon = icon(svg`
  <circle cx="12" cy="12" r="8" /><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />`);
export const lightThemeIcon = icon(svg`
  <circle cx="12" cy="12" r="3.6" />
  <path d="M12 3.5v2M12 18.5v2M3.5 12h2M18.5 12h2" />
  <path d="M6 6l1.4 1.4M16.6 16.6L18 18M18 6l-1.4 1.4M7.4 16.6L6 18" />`);
export const darkThemeIcon = icon(svg`<path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z" />`);
export const talkTabIcon = icon(svg`
  <path d="M4.5 5h15v10.5h-8L7 19.5v-4H4.5z" />`);
export const briefTabIcon = icon(svg`<path d="M6.5 4h11v16h-11zM9.5 9h5M9.5 12.5h5M9.5 16h3" />`);
export const stageTabIcon = icon(svg`
  <path d="M4 4.5h16M5.5 4.5v11c2.5-2.5 4-6 4.5-11M18.5 4.5v11c-2.5-2.5-4-6-4.5-11M4 19.5h16" />`);
export const warningIcon = icon(svg`<path d="M12 4.5l8.5 15h-17zM12 10v4.5M12 17v.2" />`);
export const penIcon = icon(svg`<path d="M5 19l1-4L16 5l3 3L9 18z" />`);

/** The name of the house: nine letters of one stroke; of the two lamps in it, one is lit. */
export const wordmark = html`
  <svg class="wordmark" viewBox="0 0 164 34" aria-hidden="true">
    <path d="M17 9v14.2a7 7 0 0 1-12.8 4" />
    <circle cx="10" cy="16" r="7" />
    <path d="M25.5 23V9M25.5 15.5a6.5 6.5 0 0 1 6.2-6.5" />
    <path d="M35.5 16h14a7 7 0 1 0-2.2 5.1" />
    <path d="M55 16h14a7 7 0 1 0-2.2 5.1" />
    <path d="M76 23V9M76 15a6 6 0 0 1 12 0v8" />
    <path d="M96 23V9M96 15.5a6.5 6.5 0 0 1 6.2-6.5" />
    <circle cx="111.5" cy="16" r="7" />
    <circle class="wordmark-lamp" cx="130" cy="16" r="7" />
    <path d="M143.5 23V9M143.5 14.5a4.7 4.7 0 0 1 9.4 0v8.5M152.9 14.5a4.7 4.7 0 0 1 9.4 0v8.5" />
  </svg>
`;
