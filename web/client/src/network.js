// What the browser tells of the network and of the page's sleep.

/**
 * @typedef {object} Network
 * @property {() => boolean} isOnline false only if there is no network at all
 * @property {(listener: () => void) => () => void} onWake calls back whenever a connection may have died
 *   unnoticed, or may work again: the network came, went or changed, the page is seen again, or is thawed.
 *   Gives back what ends it
 */

/** @type {Array<[target: () => EventTarget | undefined, type: string]>} */
const WAKE_EVENTS = [
  [() => globalThis, "online"],
  [() => globalThis, "offline"],
  [() => globalThis, "pageshow"],
  [() => globalThis.document, "visibilitychange"],
  [() => globalThis.document, "resume"],
  [networkInformation, "change"],
];

/** @type {Network} */
export const browserNetwork = {
  isOnline: () => globalThis.navigator?.onLine !== false,
  onWake(listener) {
    /** @param {globalThis.Event} event */
    const wake = (event) => {
      const isHidden = event.type === "visibilitychange" && globalThis.document.visibilityState === "hidden";
      if (!isHidden) listener();
    };
    /** @type {Array<[EventTarget, string]>} */
    const watched = [];
    for (const [targetOf, type] of WAKE_EVENTS) {
      const target = targetOf();
      if (typeof target?.addEventListener !== "function") continue;
      target.addEventListener(type, wake);
      watched.push([target, type]);
    }
    return () => {
      for (const [target, type] of watched) target.removeEventListener(type, wake);
    };
  },
};

/**
 * Chromium alone has it; others tell of a change by `online`.
 *
 * @returns {EventTarget | undefined}
 */
function networkInformation() {
  const { navigator } = globalThis;
  return navigator !== undefined && "connection" in navigator && navigator.connection instanceof EventTarget
    ? navigator.connection
    : undefined;
}
