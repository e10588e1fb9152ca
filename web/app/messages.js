// What is typed: kept while it is written, shown while it is on its way, put back when it is refused.

import { keep } from "./kept.js";

/** @typedef {import("./store.js").PendingMessage} PendingMessage */

/**
 * @param {object} parts
 * @param {import("./store.js").Store} parts.store
 * @param {() => import("../client/src/index.js").GreenroomSession | null} parts.session
 * @param {(error: unknown) => void} parts.report
 * @returns {{send: (text: string) => Promise<void>, compose: (text: string) => void}}
 */
export function createMessages({ store, session, report }) {
  let sentEver = 0;

  /** @param {string} text */
  const compose = (text) => {
    keep("draft", text || null);
    store.setUi({ composerText: text });
  };

  /** @param {(pending: readonly PendingMessage[]) => PendingMessage[]} change */
  const setPending = (change) => store.set({ pending: change(store.model().pending) });

  return {
    compose,
    async send(text) {
      const talkingTo = session();
      if (!talkingTo || !text.trim()) return;
      const key = `pending-${++sentEver}`;
      compose("");
      setPending((pending) => [...pending, { key, text, turnId: null }]);
      try {
        const { turn_id: turnId } = await talkingTo.send(text);
        const hasCome = talkingTo.state.timeline.some(
          (item) => item.kind === "message" && item.role === "user" && item.turnId === turnId,
        );
        setPending((pending) =>
          hasCome || !turnId
            ? pending.filter((message) => message.key !== key)
            : pending.map((message) => (message.key === key ? { ...message, turnId } : message)),
        );
      } catch (error) {
        setPending((pending) => pending.filter((message) => message.key !== key));
        // It may have been opened anew since.
        if (session()?.sessionId !== talkingTo.sessionId) return;
        compose([text, store.model().ui.composerText].filter(Boolean).join("\n"));
        report(error);
      }
    },
  };
}
