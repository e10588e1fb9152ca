// From a key such as `room.send` to words in the page's language, with `{name}` replaced.

import { en } from "./en.js";
import { ko } from "./ko.js";

/**
 * @callback TranslateKey
 * @param {string} key                                       section and names: `room.send`
 * @param {Record<string, string | number>} [parameters]
 * @returns {string}
 *
 * @typedef {TranslateKey & {
 *   language: "ko" | "en",
 *   has: (key: string) => boolean,
 *   number: (value: number, options?: Intl.NumberFormatOptions) => string,
 *   time: (moment: string | number, options?: Intl.DateTimeFormatOptions) => string,
 * }} Translate
 */

const TEXTS = { ko, en };

/** @type {Intl.DateTimeFormatOptions} */
const SHORT_TIME = { hour: "numeric", minute: "2-digit" };

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
  /** @type {Map<string, Intl.NumberFormat>} */
  const numberFormats = new Map();
  /** @type {Map<string, Intl.DateTimeFormat>} */
  const timeFormats = new Map();
  /** @type {TranslateKey} */
  const translate = (key, parameters) => {
    const text = find(TEXTS[language], key) ?? key;
    if (!parameters) return text;
    return text.replace(/\{(\w+)\}/g, (/** @type {string} */ whole, /** @type {string} */ name) =>
      String(parameters[name] ?? whole),
    );
  };
  return Object.assign(translate, {
    language,
    /** @param {string} key */
    has: (key) => find(TEXTS[language], key) !== undefined,
    /** @type {Translate["number"]} */
    number: (value, options = {}) =>
      remembered(numberFormats, options, () => new Intl.NumberFormat(language, options)).format(value),
    /** @type {Translate["time"]} */
    time: (moment, options = SHORT_TIME) =>
      remembered(timeFormats, options, () => new Intl.DateTimeFormat(language, options)).format(
        new Date(moment),
      ),
  });
}

/**
 * @param {unknown} texts
 * @param {string} key
 * @returns {string | undefined}
 */
function find(texts, key) {
  let found = texts;
  for (const name of key.split(".")) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name)) return undefined;
    found = /** @type {Record<string, unknown>} */ (found)[name];
  }
  return typeof found === "string" ? found : undefined;
}

/**
 * Formats are slow to make, and few.
 *
 * @template T
 * @param {Map<string, T>} formats
 * @param {object} options
 * @param {() => T} make
 * @returns {T}
 */
function remembered(formats, options, make) {
  const name = JSON.stringify(options);
  const format = formats.get(name) ?? make();
  formats.set(name, format);
  return format;
}
