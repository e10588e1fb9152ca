// Hands numbers of the model to the style sheets as custom properties. Through the CSSOM: the
// Content-Security-Policy forbids style attributes.

import { noChange } from "../../vendor/lit-html/lit-html.js";
import { Directive, directive } from "../../vendor/lit-html/directive.js";

class CssProperties extends Directive {
  /** @type {Readonly<Record<string, string | number>>} */
  #told = {};

  /**
   * @param {Readonly<Record<string, string | number>>} _properties
   */
  render(_properties) {
    return noChange;
  }

  /**
   * @param {import("../../vendor/lit-html/directive.js").ElementPart} part
   * @param {[Readonly<Record<string, string | number>>]} values
   */
  update(part, [properties]) {
    const { style } = /** @type {HTMLElement} */ (part.element);
    for (const [name, value] of Object.entries(properties)) {
      if (this.#told[name] !== value) style.setProperty(name, String(value));
    }
    this.#told = properties;
    return noChange;
  }
}

/** Sets custom properties on the element: `<div ${cssProperties({ "--share": 0.4 })}>`. */
export const cssProperties = directive(CssProperties);
