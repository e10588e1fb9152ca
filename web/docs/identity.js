// Who the requests of these pages come from: the web client's own user key, and the token where the server has one.

import { keep, kept, userKey } from "../app/kept.js";

/** What a subprotocol may be made of (RFC 7230, token). */
const SUBPROTOCOL_CHARACTERS = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
const PROTOCOL = "greenroom.v1";

/**
 * @typedef {object} Identity
 * @property {string} userKey
 * @property {string} token    empty where the server has none
 */

/** @returns {Identity} */
export function identity() {
  return { userKey: userKey(), token: kept("token") ?? "" };
}

/**
 * @param {string} key  empty for a fresh one
 */
export function setUserKey(key) {
  keep("user", key.trim() || null);
}

/** @param {string} token  empty to send none */
export function setToken(token) {
  keep("token", token.trim() || null);
}

/**
 * @param {Identity} who
 * @returns {Record<string, string>}
 */
export function headersOf(who) {
  const headers = { "X-User-Key": who.userKey };
  return who.token ? { ...headers, Authorization: `Bearer ${who.token}` } : headers;
}

/**
 * What a browser's socket offers in the place of headers.
 * @param {Identity} who
 */
export function subprotocolsOf(who) {
  const offered = [PROTOCOL, `user.${who.userKey}`];
  return who.token ? [...offered, `token.${who.token}`] : offered;
}

/**
 * Whether a browser's socket can say this.
 * @param {string} value
 */
export function fitsSubprotocol(value) {
  return value === "" || SUBPROTOCOL_CHARACTERS.test(value);
}
