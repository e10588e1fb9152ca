// From a key such as `room.send` to words in the page's language, with `{name}` replaced.

import { en } from "./en.js";
import { ko } from "./ko.js";

/**
 * @callback TranslateKey
 * @param {string} key                                       section and name: `room.send`
 * @param {Record<string, string | number>} [parameters]
 * @returns {string}
 *
 * @typedef {TranslateKey & {
 *   language: "ko" | "en",
 *   has: (key: string) => boolean,
 *   number: (value: number, options?: Intl.NumberFormatOptions) => string,
 *   time: (iso: string | number, options?: Intl.DateTimeFormatOptions) => string,
 * }} Translate
 */

const TEXTS = { ko, en };

/** @type {Map<string, Translate>} */
const translators = new Map();

/**
 * The words of one language. A key that there is no text for is shown as it is, so that it is noticed.
 *
 * @param {"ko" | "en"} language
 * @returns {Translate}
 */
export function translatorOf(language) {
  let translate = translators.get(language);
  if (!translate) {
    translate = createTranslator(language);
    translators.set(language, translate);
  }
  return translate;
}

/**
 * @param {"ko" | "en"} language
 * @returns {Translate}
 */
function createTranslator(language) {
  /** @type {Record<string, Record<string, string>>} */
  const sections = TEXTS[language];
  /** @type {Map<string, Intl.NumberFormat | Intl.DateTimeFormat>} */
  const formats = new Map();
  /** @param {string} key */
  const find = (key) => {
    const [section, name] = split(key);
    return sections[section]?.[name];
  };
  /** @type {TranslateKey} */
  const translate = (key, parameters) => {
    const text = find(key) ?? key;
    if (!parameters) return text;
    return text.replace(/\{(\w+)\}/g, (whole, name) => String(parameters[name] ?? whole));
  };
  return Object.assign(translate, {
    language,
    /** @param {string} key */
    has: (key) => find(key) !== undefined,
    /** @type {Translate["number"]} */
    number(value, options) {
      const name = `number ${JSON.stringify(options)}`;
      const format = formats.get(name) ?? new Intl.NumberFormat(language, options);
      formats.set(name, format);
      return /** @type {Intl.NumberFormat} */ (format).format(value);
    },
    /** @type {Translate["time"]} */
    time(iso, options = { hour: "numeric", minute: "2-digit" }) {
      const name = `time ${JSON.stringify(options)}`;
      const format = formats.get(name) ?? new Intl.DateTimeFormat(language, options);
      formats.set(name, format);
      return /** @type {Intl.DateTimeFormat} */ (format).format(new Date(iso));
    },
  });
}

/** @param {string} key */
function split(key) {
  const dot = key.indexOf(".");
  return [key.slice(0, dot), key.slice(dot + 1)];
}
