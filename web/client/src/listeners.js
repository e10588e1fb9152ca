// Who is told of something, one after the other, whatever one of them fails with.

/**
 * @template {unknown[]} Told
 * @typedef {object} Listeners
 * @property {(listener: (...told: Told) => void) => () => void} add gives back what removes it
 * @property {(...told: Told) => void} tell
 */

/**
 * @template {unknown[]} Told
 * @param {(error: unknown) => void} reportError told what a listener fails with
 * @returns {Listeners<Told>}
 */
export function createListeners(reportError) {
  /** @type {Set<{ listener: (...told: Told) => void }>} */
  const entries = new Set();
  return {
    add(listener) {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    tell(...told) {
      for (const { listener } of entries) {
        try {
          listener(...told);
        } catch (error) {
          // It is the page's defect: neither the log nor the other listeners stop for it.
          reportError(error);
        }
      }
    },
  };
}
