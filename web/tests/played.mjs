// @ts-check
// A session that was played without a page: for a page to be told it again.

import { ENGLISH_BRIEF } from "./room.mjs";

const EVENTS_PAGE = 1000;

/**
 * A session with several runs behind it, and its whole log.
 * @param {{ url: string, userKey: string, runs: number }} options
 * @returns {Promise<{ sessionId: string, events: object[] }>}
 */
export async function playedSession({ url, userKey, runs }) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-User-Key": userKey };
  const post = async (/** @type {string} */ address, /** @type {object} */ body) => {
    const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${address}: ${await answer.text()}`);
    return answer.json();
  };
  const { session_id: sessionId } = await post(`${url}/api/chat/session`, { locale: "en" });
  await post(`${url}/api/chat/session/${sessionId}/message`, { message: ENGLISH_BRIEF });
  for (let run = 0; run < runs; run += 1) await post(`${url}/api/runs/${sessionId}/generate`, {});
  /** @type {{ seq: number }[]} */
  const events = [];
  for (;;) {
    const address = `${url}/api/chat/session/${sessionId}/events?after=${events.at(-1)?.seq ?? 0}&limit=${EVENTS_PAGE}`;
    const { events: more, head } = await (await fetch(address, { headers })).json();
    events.push(...more);
    if ((events.at(-1)?.seq ?? 0) >= head) return { sessionId: String(sessionId), events };
  }
}
