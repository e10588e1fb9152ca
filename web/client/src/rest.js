// Requests to the server's REST interface, and what they fail with.

import { ApiError, clientError, isErrorBody } from "./errors.js";

/** Long enough for a turn of a slow model; what takes longer by its nature says so itself. */
const ANSWER_WITHIN_MS = 30_000;
/** The rest of an answer that has begun: a recording of half an hour over a slow network. */
const READ_WITHIN_MS = 600_000;

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
 * @property {number} [answerWithinMs] until an answer begins
 */

/**
 * What is read of the answer to a request that succeeded. Anything else is an `ApiError`, but for the reason
 * of `signal`, which is thrown as it is.
 *
 * @template Answer
 * @param {RestContext} context
 * @param {RestRequest} request
 * @param {(response: Response) => Promise<Answer>} read counts as waiting, too
 * @returns {Promise<Answer>}
 */
export async function request(context, request, read) {
  const { signal, answerWithinMs = ANSWER_WITHIN_MS } = request;
  signal?.throwIfAborted();
  const headers = headersOf(context, request);
  const controller = new AbortController();
  const giveUp = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", giveUp, { once: true });
  /** @param {number} withinMs */
  const expect = (withinMs) => setTimeout(() => controller.abort(timedOut(withinMs)), withinMs);
  let timer = expect(answerWithinMs);
  try {
    const response = await context.fetch(urlOf(context, request), {
      method: request.method ?? "GET",
      headers,
      body: request.json === undefined ? null : JSON.stringify(request.json),
      signal: controller.signal,
    });
    clearTimeout(timer);
    timer = expect(READ_WITHIN_MS);
    if (!response.ok) throw await failureOf(response);
    return await read(response);
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
export function requestJson(context, asked) {
  return request(context, asked, async (response) => {
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw clientError("CLIENT_ANSWER", "The answer is not JSON.", { status: response.status, cause });
    }
  });
}

/**
 * An answer that is a file.
 *
 * @param {RestContext} context
 * @param {RestRequest} asked
 * @param {string} fallbackName for an answer that gives its file none
 * @returns {Promise<{ blob: Blob, fileName: string }>}
 */
export function requestFile(context, asked, fallbackName) {
  return request(context, asked, async (response) => (
    { blob: await response.blob(), fileName: fileNameOf(response) ?? fallbackName }));
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
 * @returns {Record<string, string>} what a browser will send; it would not tell a refusal from a broken
 *   network
 */
function headersOf({ userKey, token, locale }, { json, idempotencyKey }) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json, */*;q=0.5" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (userKey !== null) headers["X-User-Key"] = userKey;
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (locale !== null) headers["Accept-Language"] = locale;
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
  try {
    new Headers(headers);
  } catch (cause) {
    throw clientError("CLIENT_CREDENTIALS", "The token or the user key cannot be sent.", { cause });
  }
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
