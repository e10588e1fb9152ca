// The caller's own sessions: read a page at a time, searched once typing rests, erased after a question.

const PAGE_SIZE = 30;
const TYPING_RESTS_MS = 220;

/**
 * @typedef {object} OwnSessions
 * @property {(query: string) => void} search
 * @property {() => void} more
 * @property {(sessionId: string | null) => void} confirm
 * @property {(sessionId: string) => Promise<void>} erase
 */

/**
 * @param {object} parts
 * @param {import("./store.js").Store} parts.store
 * @param {import("../client/src/index.js").GreenroomClient} parts.client
 * @param {(sessionId: string) => Promise<void>} parts.forget   what to do when the erased session was on show
 * @param {(error: unknown) => void} parts.report
 * @returns {OwnSessions}
 */
export function createOwnSessions({ store, client, forget, report }) {
  /** Counts what was asked, so that a slow answer never overwrites a later one. */
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;

  /** @param {Partial<import("./store.js").SessionsList>} patch */
  const set = (patch) => store.set({ sessionsList: { ...store.model().sessionsList, ...patch } });

  /** @param {number} offset */
  const read = async (offset) => {
    const question = ++asked;
    const { query, items } = store.model().sessionsList;
    set({ status: "loading" });
    try {
      const page = await client.listSessions({ ...(query && { q: query }), limit: PAGE_SIZE, offset });
      if (question !== asked) return;
      set({ status: "loaded", total: page.total, items: offset ? [...items, ...page.items] : page.items });
    } catch (error) {
      if (question !== asked) return;
      set({ status: "failed" });
      report(error);
    }
  };

  return {
    search(query) {
      set({ query, confirming: null });
      clearTimeout(typing);
      typing = setTimeout(() => void read(0), query ? TYPING_RESTS_MS : 0);
    },
    more: () => void read(store.model().sessionsList.items.length),
    confirm: (sessionId) => set({ confirming: sessionId }),
    async erase(sessionId) {
      try {
        await client.deleteSession(sessionId);
        const { items, total } = store.model().sessionsList;
        set({
          confirming: null,
          items: items.filter((row) => row.session_id !== sessionId),
          total: Math.max(0, total - 1),
        });
        await forget(sessionId);
      } catch (error) {
        set({ confirming: null });
        report(error);
      }
    },
  };
}
