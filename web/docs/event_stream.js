// Server-sent events out of a body that comes in pieces (HTML standard, "Interpreting an event stream").

/**
 * @typedef {object} StreamedEvent
 * @property {string} type  `message` if the stream names none
 * @property {string} id    the last id that the stream named
 * @property {string} data
 */

/**
 * A parser that is fed pieces of text and gives the events that are complete.
 * @returns {(piece: string) => StreamedEvent[]}
 */
export function createEventStreamParser() {
  let pending = "";
  let type = "";
  let id = "";
  /** @type {string[]} */
  let dataLines = [];

  /** @param {string} line @returns {StreamedEvent | null} */
  const take = (line) => {
    if (line === "") {
      const event = { type: type || "message", id, data: dataLines.join("\n") };
      const complete = dataLines.length > 0;
      type = "";
      dataLines = [];
      return complete ? event : null;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    else if (field === "data") dataLines.push(value);
    else if (field === "id" && !value.includes("\0")) id = value;
    return null;
  };

  return (piece) => {
    pending += piece;
    /** @type {StreamedEvent[]} */
    const events = [];
    for (;;) {
      const end = /\r\n|\n|\r/.exec(pending);
      // A carriage return at the very end may be half of a line's end.
      if (!end || (end[0] === "\r" && end.index === pending.length - 1)) return events;
      const event = take(pending.slice(0, end.index));
      pending = pending.slice(end.index + end[0].length);
      if (event) events.push(event);
    }
  };
}
