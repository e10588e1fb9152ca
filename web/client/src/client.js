// The way in: a server, who asks, and what can be asked of it.

import { randomId, systemClock } from "./clock.js";
import { ApiError } from "./errors.js";
import { browserNetwork } from "./network.js";
import { request, requestFile, requestJson } from "./rest.js";
import { openSession } from "./session.js";

const SUBPROTOCOL = "greenroom.v1";
/** What the server has for making speech, and a little for the way. */
const SPEAK_WITHIN_MS = 75_000;
/** A package is made of texts and stored files. */
const FILE_WITHIN_MS = 60_000;
const HEALTH_WITHIN_MS = 10_000;

/**
 * @typedef {import("./protocol.js").Locale} Locale
 * @typedef {import("./protocol.js").Mode} Mode
 * @typedef {import("./answers.js").SessionView} SessionView
 * @typedef {import("./answers.js").CreatedSession} CreatedSession
 * @typedef {import("./answers.js").SessionList} SessionList
 * @typedef {import("./answers.js").Speech} Speech
 * @typedef {import("./answers.js").Playbook} Playbook
 * @typedef {import("./answers.js").Health} Health
 * @typedef {import("./session.js").GreenroomSession} GreenroomSession
 * @typedef {import("./connection.js").Diagnosis} Diagnosis
 */

/**
 * @typedef {object} RequestOptions
 * @property {AbortSignal} [signal] ends the waiting, not what the server has begun
 */

/**
 * Where the server is and who asks.
 *
 * @typedef {object} ClientOptions
 * @property {string} [baseUrl] such as `https://greenroom.example`; the page's own origin if left out
 * @property {string | null} [userKey] whose sessions they are; without one a session is open to who knows its
 *   id
 * @property {string | null} [token] the server's token, if it asks for one
 * @property {string | null} [locale] the language of errors
 * @property {Partial<ClientPorts>} [ports] what stands for the world in tests
 */

/**
 * @typedef {object} ClientPorts
 * @property {typeof globalThis.fetch} fetch
 * @property {typeof globalThis.WebSocket} WebSocket
 * @property {import("./clock.js").Clock} clock
 * @property {import("./network.js").Network} network
 * @property {() => number} random 0 to 1
 * @property {() => string} newId
 * @property {(error: unknown) => void} reportError told what a listener of a session fails with
 */

export class GreenroomClient {
  /** @type {ClientPorts} */
  #ports;

  /** @param {ClientOptions} [options] */
  constructor({ baseUrl, userKey = null, token = null, locale = null, ports = {} } = {}) {
    const origin = baseUrl ?? globalThis.location?.origin;
    if (origin === undefined) throw new TypeError("outside of a page, baseUrl must be given");
    /** Without a slash at its end. */
    this.baseUrl = origin.replace(/\/+$/, "");
    this.userKey = userKey;
    /** May be set later, after an `AUTH_REQUIRED`: it counts from the next request or connection on. */
    this.token = token;
    /** May be set later too. */
    this.locale = locale;
    this.#ports = {
      fetch: (input, init) => globalThis.fetch(input, init),
      WebSocket: globalThis.WebSocket,
      clock: systemClock,
      network: browserNetwork,
      random: Math.random,
      newId: randomId,
      reportError: globalThis.reportError ?? console.error,
      ...ports,
    };
  }

  /** @type {typeof globalThis.fetch} */
  get fetch() {
    return this.#ports.fetch;
  }

  /**
   * Opens a session's connection, which replays its log from the first event: the state is whole once it is
   * no more `replaying`.
   *
   * @param {string} sessionId
   * @returns {GreenroomSession}
   */
  openSession(sessionId) {
    return openSession({
      ...this.#ports,
      sessionId,
      address: (lastEventId) => this.#socketAddress(sessionId, lastEventId),
      diagnose: () => this.#whyNotOpen(sessionId),
    });
  }

  /**
   * @param {{ locale?: Locale, mode?: Mode, playbook?: string }} [wish] what is left out, the server chooses
   * @param {RequestOptions} [options]
   * @returns {Promise<CreatedSession>}
   */
  createSession(wish = {}, options = {}) {
    return requestJson(this, { method: "POST", path: "/api/chat/session", json: wish, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {RequestOptions} [options]
   * @returns {Promise<SessionView>}
   */
  showSession(sessionId, options = {}) {
    return requestJson(this, { path: sessionPath(sessionId), ...options });
  }

  /**
   * The user's own sessions, newest change first.
   *
   * @param {{ q?: string, state?: string, limit?: number, offset?: number }} [filter]
   * @param {RequestOptions} [options]
   * @returns {Promise<SessionList>}
   */
  listSessions(filter = {}, options = {}) {
    return requestJson(this, { path: "/api/chat/sessions", query: filter, ...options });
  }

  /**
   * Erases a session for good.
   *
   * @param {string} sessionId
   * @param {RequestOptions} [options]
   */
  async deleteSession(sessionId, options = {}) {
    const path = sessionPath(sessionId);
    await request(this, { method: "DELETE", path, ...options }, (response) => response.text());
  }

  /**
   * What is needed to show any playbook: slots, gate, stages, fields, voices.
   *
   * @param {string} sessionId
   * @param {{ locale?: Locale } & RequestOptions} [options]
   * @returns {Promise<Playbook>}
   */
  playbook(sessionId, { locale, ...options } = {}) {
    return requestJson(this, { path: `${sessionPath(sessionId)}/playbook`, query: { locale }, ...options });
  }

  /**
   * A completed run as a ZIP archive.
   *
   * @param {string} runId
   * @param {RequestOptions} [options]
   * @returns {Promise<{ blob: Blob, fileName: string }>}
   */
  exportRun(runId, options = {}) {
    const path = `/api/runs/${encodeURIComponent(runId)}/export`;
    return requestFile(this, { path, answerWithinMs: FILE_WITHIN_MS, ...options }, `${runId}.zip`);
  }

  /**
   * What an asset's `url` names, with the headers that a recording asks for.
   *
   * @param {string} path the asset's `url`
   * @param {RequestOptions} [options]
   * @returns {Promise<{ blob: Blob, fileName: string }>}
   */
  fetchAsset(path, options = {}) {
    const lastSegment = path.slice(path.lastIndexOf("/") + 1);
    return requestFile(this, { path, answerWithinMs: FILE_WITHIN_MS, ...options }, lastSegment);
  }

  /**
   * Speaks a text. The same text in the same voice is made once.
   *
   * @param {string} sessionId
   * @param {{ text: string, voice_preset?: string, format?: "mp3" | "wav" }} speech
   * @param {RequestOptions} [options]
   * @returns {Promise<Speech>} `audio_url` is absolute
   */
  async speak(sessionId, speech, options = {}) {
    /** @type {Speech} */
    const answer = await requestJson(this, {
      method: "POST",
      path: `${sessionPath(sessionId)}/assistant-voice`,
      json: speech,
      answerWithinMs: SPEAK_WITHIN_MS,
      ...options,
    });
    return { ...answer, audio_url: this.resolve(answer.audio_url) };
  }

  /**
   * How the server and everything that it depends on are.
   *
   * @param {RequestOptions} [options]
   * @returns {Promise<Health>}
   */
  health(options = {}) {
    return requestJson(this, { path: "/health/detailed", answerWithinMs: HEALTH_WITHIN_MS, ...options });
  }

  /**
   * The whole address of what the server names by its path, such as an asset's `url`.
   *
   * @param {string} path
   * @returns {string}
   */
  resolve(path) {
    return new URL(path.startsWith("/") ? `${this.baseUrl}${path}` : path, `${this.baseUrl}/`).href;
  }

  /**
   * @param {string} sessionId
   * @param {string} lastEventId
   */
  #socketAddress(sessionId, lastEventId) {
    const path = `${sessionPath(sessionId)}/ws?last_event_id=${encodeURIComponent(lastEventId)}`;
    const protocols = [SUBPROTOCOL];
    if (this.token !== null) protocols.push(`token.${this.token}`);
    if (this.userKey !== null) protocols.push(`user.${this.userKey}`);
    return { url: `${this.baseUrl.replace(/^http/, "ws")}${path}`, protocols };
  }

  /**
   * @param {string} sessionId
   * @returns {Promise<Diagnosis | null>}
   */
  async #whyNotOpen(sessionId) {
    try {
      await this.showSession(sessionId);
      return null;
    } catch (error) {
      return error instanceof ApiError ? diagnosisOf(error) : null;
    }
  }
}

/**
 * @param {ApiError} error
 * @returns {Diagnosis | null} null where it tells no more than that nothing came
 */
function diagnosisOf(error) {
  switch (error.status) {
    case 401:
    case 403:
      return { isFinal: true, reason: "refused", error };
    case 404:
    case 410:
      // A proxy whose server is away may say so too, in its own words.
      return error.code.startsWith("SESSION_") ? { isFinal: true, reason: "gone", error } : null;
    case 429:
    case 503:
      return { isFinal: false, reason: error.code === "SYS_DRAINING" ? "draining" : "overloaded", error };
    default:
      return null;
  }
}

/**
 * @param {string} sessionId
 * @returns {string}
 */
function sessionPath(sessionId) {
  return `/api/chat/session/${encodeURIComponent(sessionId)}`;
}
