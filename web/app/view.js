// What every view is: a function of the model, without a memory of its own.

/**
 * @callback View
 * @param {import("./store.js").Model} model
 * @param {import("./actions.js").Actions} actions
 * @param {import("./texts/translate.js").Translate} t
 * @returns {import("../vendor/lit-html/lit-html.js").TemplateResult | typeof
 *   import("../vendor/lit-html/lit-html.js").nothing}
 */

export {};
