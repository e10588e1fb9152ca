// What the research stage found, made ready to be drawn: evidence joined with the passages that the search
// returned.

import { listOf, numberOf, recordOf, textOf } from "./partial.js";

/**
 * @typedef {object} Evidence
 * @property {string} publisher
 * @property {string} title
 * @property {string} url            as the search spelled it; empty when it is not a link that may be
 *   followed
 * @property {string} host           what the link leads to, for the eye
 * @property {string} observedAt     empty when the page shows no date
 * @property {number | null} confidence   0 to 1
 * @property {string} passage        what the search returned of the page; empty when it returned none
 */

/**
 * @typedef {import("../../../client/src/state.js").SupportingSource} Source  a search result that the output
 * rests on
 */

/** What the research schema writes where a page shows no date. */
const NO_DATE = "unknown";

/**
 * @param {unknown} evidence
 * @param {readonly Source[] | null | undefined} sources
 * @returns {Evidence[]}
 */
export function evidenceOf(evidence, sources) {
  const passages = new Map((sources ?? []).map((source) => [source.url, textOf(source.passage)]));
  return listOf(evidence).map((item) => {
    const fields = recordOf(item);
    const address = textOf(fields.url);
    const link = safeLink(address);
    const observedAt = textOf(fields.observed_at);
    return {
      publisher: textOf(fields.source),
      title: textOf(fields.title),
      url: link?.href ?? "",
      host: link?.host ?? "",
      observedAt: observedAt === NO_DATE ? "" : observedAt,
      confidence: numberOf(fields.confidence),
      passage: passages.get(address) ?? "",
    };
  });
}

/**
 * The address of a page that may be followed: https only, without credentials in it, its host for people
 * to read.
 * @param {string} address
 * @returns {{ href: string, host: string } | null}
 */
export function safeLink(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== "https:" || url.username !== "" || url.password !== "") return null;
  return { href: url.href, host: url.host.replace(/^www\./, "") };
}
