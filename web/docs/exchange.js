// One request and its answer, as it comes: whole, as a stream of events, or as a file.

import { createEventStreamParser } from "./event_stream.js";

/** So many of the newest events of a stream are kept. */
export const STREAMED_EVENTS_MAX = 200;
const EVENT_STREAM = "text/event-stream";
const TEXTS = /^(text\/|application\/(json|problem\+json|javascript))/;

/**
 * @typedef {import("./event_stream.js").StreamedEvent} StreamedEvent
 *
 * @typedef {{ kind: "empty" }
 *   | { kind: "text", text: string }
 *   | { kind: "events", events: StreamedEvent[], count: number, end: "open" | "ended" | "stopped" }
 *   | { kind: "file", url: string, name: string, mediaType: string, bytes: number }} Content
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {string} statusText
 * @property {number} tookMs          until the head of the answer, then until its end
 * @property {[string, string][]} headers
 * @property {Content} content
 */

/**
 * Sends a request and tells of the answer whenever there is more of it.
 * @param {import("./operation.js").PreparedRequest} request
 * @param {(answer: Answer) => void} onProgress
 * @param {AbortSignal} signal  ends it; a stream that has begun then keeps what it has
 * @returns {Promise<Answer>}
 */
export async function exchange(request, onProgress, signal) {
  const startedAtMs = performance.now();
  const response = await fetch(request.path, { ...request.init, signal, cache: "no-store" });
  const mediaType = response.headers.get("content-type") ?? "";
  /** @param {Content} content @returns {Answer} */
  const answerWith = (content) => ({
    status: response.status,
    statusText: response.statusText,
    tookMs: Math.round(performance.now() - startedAtMs),
    headers: [...response.headers],
    content,
  });
  if (mediaType.startsWith(EVENT_STREAM)) return follow(response, answerWith, onProgress);
  if (response.status === 204 || !response.body) return answerWith({ kind: "empty" });
  if (TEXTS.test(mediaType)) {
    const text = await response.text();
    return answerWith(text ? { kind: "text", text } : { kind: "empty" });
  }
  const blob = await response.blob();
  const name = fileNameOf(response);
  return answerWith({
    kind: "file",
    url: URL.createObjectURL(blob),
    name,
    mediaType: blob.type,
    bytes: blob.size,
  });
}

/**
 * Lets go of what an answer holds of the browser's.
 * @param {Answer | null} answer
 */
export function release(answer) {
  if (answer?.content.kind === "file") URL.revokeObjectURL(answer.content.url);
}

/**
 * @param {Response} response
 * @param {(content: Content) => Answer} answerWith
 * @param {(answer: Answer) => void} onProgress
 * @returns {Promise<Answer>}
 */
async function follow(response, answerWith, onProgress) {
  const parse = createEventStreamParser();
  const decoder = new TextDecoder();
  /** @type {StreamedEvent[]} */
  let events = [];
  let count = 0;
  /** @param {"open" | "ended" | "stopped"} end */
  const soFar = (end) => answerWith({ kind: "events", events, count, end });
  onProgress(soFar("open"));
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) return soFar("ended");
      const fresh = parse(decoder.decode(piece.value, { stream: true }));
      count += fresh.length;
      events = [...events, ...fresh].slice(-STREAMED_EVENTS_MAX);
      onProgress(soFar("open"));
    }
  } catch (error) {
    if (isAbort(error)) return soFar("stopped");
    throw error;
  }
}

/** @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * What the server calls the file, else the end of its address.
 * @param {Response} response
 */
function fileNameOf(response) {
  const disposition = response.headers.get("content-disposition") ?? "";
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
  if (encoded) return decodeURIComponent(encoded);
  return (
    /filename="([^"]+)"/i.exec(disposition)?.[1] ?? new URL(response.url).pathname.split("/").pop() ?? "file"
  );
}
