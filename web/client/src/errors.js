// What failed, whoever says so: the server in an answer or a signal, or this client by itself.

/**
 * @typedef {import("./protocol.js").ErrorCode} ErrorCode
 * @typedef {import("./protocol.js").ErrorBody} ErrorBody
 */

/**
 * The codes of what never reached the server or was not answered by it:
 * `CLIENT_NETWORK` no answer came; `CLIENT_TIMEOUT` none came in time; `CLIENT_ANSWER` what came is no answer
 * of a Greenroom server; `CLIENT_QUEUE_FULL` too many commands wait to be sent; `CLIENT_OUTDATED` what a
 * command was meant for had ended before it could be sent, or another call was begun meanwhile;
 * `CLIENT_CLOSED` the session's connection is closed for good; `CLIENT_CREDENTIALS` a browser cannot send
 * the token or the user key.
 *
 * @typedef {"CLIENT_NETWORK" | "CLIENT_TIMEOUT" | "CLIENT_ANSWER" | "CLIENT_QUEUE_FULL" | "CLIENT_OUTDATED"
 *   | "CLIENT_CLOSED" | "CLIENT_CREDENTIALS"} ClientErrorCode
 */

/** A failure with a code from `docs/errors.md`, or with one of the client's own. */
export class ApiError extends Error {
  /**
   * @param {{ code: ErrorCode | ClientErrorCode, message: string, details?: unknown, retryable: boolean,
   *   retry_after?: number | null }} body
   * @param {{ status?: number, requestId?: string | null, cause?: unknown }} [context]
   */
  constructor(body, context = {}) {
    super(body.message, { cause: context.cause });
    this.name = "ApiError";
    /** From the server's table, or a `CLIENT_…` code. */
    this.code = body.code;
    /** For developers; its shape depends on the code. */
    this.details = body.details ?? null;
    /** Whether the same request may succeed later. */
    this.retryable = body.retryable;
    /** Seconds after which it is worth trying again, if the server said so. */
    this.retryAfter = body.retry_after ?? null;
    /** The status of the HTTP answer, 0 if there was none. */
    this.status = context.status ?? 0;
    /** By which an operator finds the request in the log. */
    this.requestId = context.requestId ?? null;
  }
}

/**
 * A failure that this client found by itself.
 *
 * @param {ClientErrorCode} code
 * @param {string} message
 * @param {{ retryable?: boolean, status?: number, cause?: unknown }} [context]
 * @returns {ApiError}
 */
export function clientError(code, message, { retryable = false, ...context } = {}) {
  return new ApiError({ code, message, retryable }, context);
}

/**
 * @param {unknown} body
 * @returns {body is { error: ErrorBody }}
 */
export function isErrorBody(body) {
  if (typeof body !== "object" || body === null || !("error" in body)) return false;
  const { error } = body;
  return typeof error === "object" && error !== null && "code" in error && "message" in error;
}
