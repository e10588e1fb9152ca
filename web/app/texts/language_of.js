// The language of a text whose writer does not tell it, such as a server's message: `lang` of the element around it.

/**
 * @param {string} text
 * @returns {"ko" | "en"}
 */
export function languageOf(text) {
  return /\p{Script=Hangul}/u.test(text) ? "ko" : "en";
}
