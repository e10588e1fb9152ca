// The few signs of the brief and the stage, drawn inline: no file is fetched for them.

import { html, svg } from "../../vendor/lit-html/lit-html.js";

/** @param {import("../../vendor/lit-html/lit-html.js").TemplateResult} shape */
const icon = (shape) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${shape}</svg>`;

export const pencilIcon = icon(svg`<path d="M4 20l1-4L16 5l3 3L8 19l-4 1zM14 7l3 3"/>`);
export const quoteIcon = icon(svg`<path d="M10 7H5v6h5V7zm0 6c0 3-1 4-4 5M19 7h-5v6h5V7zm0 6c0 3-1 4-4 5"/>`);
export const plusIcon = icon(svg`<path d="M12 5v14M5 12h14"/>`);
export const crossIcon = icon(svg`<path d="M6 6l12 12M18 6L6 18"/>`);
export const copyIcon = icon(svg`<path d="M9 9h11v11H9zM5 15H4V4h11v1"/>`);
export const checkIcon = icon(svg`<path d="M5 12.5l4.5 4.5L19 7.5"/>`);
export const playIcon = icon(svg`<path d="M8 5.5v13l11-6.5z" fill="currentColor"/>`);
export const pauseIcon = icon(svg`<path d="M8 5.5v13M16 5.5v13" stroke-width="3.5"/>`);
export const downloadIcon = icon(svg`<path d="M12 4v11m-5-5l5 5 5-5M5 20h14"/>`);
export const linkIcon = icon(svg`<path d="M10 14a4 4 0 005.7 0l3-3a4 4 0 00-5.7-5.7l-1 1
  M14 10a4 4 0 00-5.7 0l-3 3  A4 4 0 0011 18.7l1-1"/>`);
export const printIcon = icon(svg`<path d="M7 9V4h10v5M7 17H4v-7h16v7h-3M7 14h10v6H7z"/>`);
export const outsideIcon = icon(svg`<path d="M14 5h5v5M19 5l-8 8M17 14v5H5V7h5"/>`);
export const warningIcon = icon(svg`<path d="M12 4l9 16H3zM12 10v4M12 17v.5"/>`);
export const retryIcon = icon(svg`<path d="M5 12a7 7 0 1 1 2.2 5.1M5 19v-5h5"/>`);
export const stopIcon = icon(svg`<path d="M7 7h10v10H7z"/>`);
