// Placeholder until its owner's file stands here.

import { html } from "../../../vendor/lit-html/lit-html.js";

/** @type {import("../../view.js").View} */
export const results = () => html``;
