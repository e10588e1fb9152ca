// Which session the address names: `/#/s/<session_id>`, so that reload, a shared link and a second tab find
// it.

const SESSION_ROUTE = /^#\/s\/(sess_[0-9A-Za-z]+)$/;

/** @returns {string | null} the session that the address names */
export function sessionInAddress() {
  return SESSION_ROUTE.exec(location.hash)?.[1] ?? null;
}

/**
 * @param {string} sessionId
 * @param {{replace?: boolean}} [options]  whether "back" should not lead to where one was
 */
export function goToSession(sessionId, { replace = false } = {}) {
  const address = `#/s/${sessionId}`;
  if (location.hash === address) return;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

/**
 * @param {(sessionId: string | null) => void} listener told when somebody went back, forward, or edited the
 *   address
 */
export function onAddressChange(listener) {
  addEventListener("popstate", () => listener(sessionInAddress()));
  addEventListener("hashchange", () => listener(sessionInAddress()));
}
