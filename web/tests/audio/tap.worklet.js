// Keeps what passes on its way to the loudspeaker, with the time of the audio engine at which it passed, and
// when the speaker's processor was told what. Loaded before anything else, so that it is there when that is
// registered.

/** @type {any} */
const scope = globalThis;
const { registerProcessor } = scope;
/** @type {{ type: string, at: number }[]} */
const orders = [];

scope.registerProcessor = (/** @type {string} */ name, /** @type {any} */ Processor) => {
  class Watched extends Processor {
    constructor(/** @type {any} */ options) {
      super(options);
      const { onmessage } = this.port;
      this.port.onmessage = (/** @type {MessageEvent} */ message) => {
        orders.push({ type: message.data.type, at: scope.currentFrame });
        onmessage.call(this.port, message);
      };
    }
  }
  registerProcessor(name, name === "greenroom-speaker" ? Watched : Processor);
};

class TapProcessor extends scope.AudioWorkletProcessor {
  /** @param {Float32Array[][]} inputs */
  process([input]) {
    const samples = input?.[0];
    const isSound = samples?.some((sample) => sample !== 0);
    if (isSound || orders.length > 0) {
      this.port.postMessage({ at: scope.currentFrame, samples: isSound ? samples?.slice() : null, orders: orders.splice(0) });
    }
    return true;
  }
}

registerProcessor("tap", TapProcessor);
