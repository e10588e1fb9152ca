// What is put on the clipboard: the texts as people paste them elsewhere, without labels.

import { listOf, recordOf, textOf } from "./partial.js";

/**
 * One advertisement: headline, body and call to action, a line each.
 * @param {unknown} adCopy
 */
export function adCopyText(adCopy) {
  const fields = recordOf(adCopy);
  return [fields.headline, fields.body, fields.cta].map(textOf).filter((line) => line !== "").join("\n");
}

/**
 * All advertisements, parted by empty lines.
 * @param {unknown} adCopies
 */
export function allAdCopiesText(adCopies) {
  return listOf(adCopies).map(adCopyText).filter((text) => text !== "").join("\n\n");
}

/**
 * What a video model is told: the prompt, then the shots by number.
 * @param {unknown} videoPromptPackage
 */
export function videoPromptText(videoPromptPackage) {
  const fields = recordOf(videoPromptPackage);
  const shots = listOf(fields.shots).map((shot, index) => `${index + 1}. ${textOf(shot)}`);
  return [textOf(fields.prompt), shots.join("\n")].filter((text) => text !== "").join("\n\n");
}
