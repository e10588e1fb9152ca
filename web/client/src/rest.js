// Requests to the server's REST interface, and what they fail with.

import { ApiError, clientError, isErrorBody } from "./errors.js";

/** Long enough for a turn of a slow model; what takes longer by its nature says so itself. */
const ANSWER_WITHIN_MS = 30_000;

/**
 * Who asks, and where. Read at each request, so that a token that was given later counts from then on.
 *
 * @typedef {object} RestContext
 * @property {string} baseUrl without a slash at its end
 * @property {string | null} userKey
 * @property {string | null} token
 * @property {string | null} locale
 * @property {typeof globalThis.fetch} fetch
 */

/**
 * @typedef {object} RestRequest
 * @property {"GET" | "POST" | "PATCH" | "DELETE"} [method]
 * @property {string} path from the root of the server
 * @property {Record<string, string | number | undefined>} [query] what is undefined is left out
 * @property {unknown} [json] the body
 * @property {string} [idempotencyKey] the same key never does it twice
 * @property {AbortSignal} [signal] cancels waiting, not what the server has begun
 * @property {number} [answerWithinMs]
 */

/**
 * The answer to a request that succeeded. Anything else is an `ApiError`, but for the reason of `signal`,
 * which is thrown as it is.
 *
 * @param {RestContext} context
 * @param {RestRequest} request
 * @returns {Promise<Response>}
 */
export async function request(context, request) {
  const { signal, answerWithinMs = ANSWER_WITHIN_MS } = request;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const giveUp = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", giveUp, { once: true });
  const timer = setTimeout(() => controller.abort(timedOut(answerWithinMs)), answerWithinMs);
  try {
    const response = await context.fetch(urlOf(context, request), {
      method: request.method ?? "GET",
      headers: headersOf(context, request),
      body: request.json === undefined ? null : JSON.stringify(request.json),
      signal: controller.signal,
    });
    if (response.ok) return response;
    throw await failureOf(response);
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    if (error instanceof ApiError) throw error;
    throw clientError("CLIENT_NETWORK", "The server cannot be reached.", { retryable: true, cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}

/**
 * The JSON of an answer.
 *
 * @template Answer
 * @param {RestContext} context
 * @param {RestRequest} asked
 * @returns {Promise<Answer>} of the shape that `/openapi.json` gives the route; the callers name it
 */
export async function requestJson(context, asked) {
  const response = await request(context, asked);
  try {
    return await response.json();
  } catch (error) {
    throw clientError("CLIENT_ANSWER", "The answer is not JSON.", { status: response.status, cause: error });
  }
}

/**
 * The name that an answer gives its file.
 *
 * @param {Response} response
 * @returns {string | null}
 */
export function fileNameOf(response) {
  const disposition = response.headers.get("content-disposition") ?? "";
  const encoded = /filename\*\s*=\s*UTF-8''([^;]+)/i.exec(disposition)?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded.trim());
    } catch {
      // It was not encoded after all; the plain name stands beside it.
    }
  }
  const [, quoted, plain] = /filename\s*=\s*(?:"([^"]*)"|([^;]+))/i.exec(disposition) ?? [];
  return quoted ?? plain?.trim() ?? null;
}

/**
 * @param {RestContext} context
 * @param {RestRequest} request
 * @returns {string}
 */
function urlOf({ baseUrl }, { path, query = {} }) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `${baseUrl}${path}${text === "" ? "" : `?${text}`}`;
}

/**
 * @param {RestContext} context
 * @param {RestRequest} request
 * @returns {Record<string, string>}
 */
function headersOf({ userKey, token, locale }, { json, idempotencyKey }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json, */*;q=0.5" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (userKey !== null) headers["X-User-Key"] = userKey;
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (locale !== null) headers["Accept-Language"] = locale;
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
  return headers;
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
async function failureOf(response) {
  const { status } = response;
  const requestId = response.headers.get("x-request-id");
  const body = await response.json().catch(() => null);
  if (isErrorBody(body)) return new ApiError(body.error, { status, requestId });
  // A proxy in front of the server, most likely.
  const retryable = status === 429 || status >= 500;
  return clientError("CLIENT_ANSWER", `The server answered with status ${status}.`, { retryable, status });
}

/**
 * @param {number} answerWithinMs
 * @returns {ApiError}
 */
function timedOut(answerWithinMs) {
  return clientError("CLIENT_TIMEOUT", `No answer came within ${answerWithinMs} ms.`, { retryable: true });
}
