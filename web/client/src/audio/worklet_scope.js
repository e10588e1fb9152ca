// What the audio thread offers to the modules that run there; the DOM's types do not tell of it.

/**
 * @typedef {object} WorkletScope
 * @property {new () => { port: MessagePort }} AudioWorkletProcessor
 * @property {<Options>(name: string, processor: new (options: Options) => WorkletProcessor) => void}
 *   registerProcessor
 * @property {number} sampleRate
 *
 * @typedef {object} WorkletProcessor
 * @property {(inputs: Float32Array[][], outputs: Float32Array[][]) => boolean} process
 */

export const { AudioWorkletProcessor, registerProcessor, sampleRate } =
  /** @type {WorkletScope} */ (/** @type {unknown} */ (globalThis));
