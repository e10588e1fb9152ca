// Parts a script at the words that are to be stressed.

/**
 * @param {string} text
 * @param {readonly string[]} words
 * @returns {{start: number, text: string, isStressed: boolean}[]}  together they are the text, letter by letter
 */
export function emphasized(text, words) {
  const sought = words.filter((word) => word.trim() !== "").sort((one, other) => other.length - one.length);
  if (sought.length === 0) return text === "" ? [] : [{ start: 0, text, isStressed: false }];
  const pattern = new RegExp(`(${sought.map(escaped).join("|")})`, "giu");
  let start = 0;
  return text
    .split(pattern)
    .map((part, index) => {
      const placed = { start, text: part, isStressed: index % 2 === 1 };
      start += part.length;
      return placed;
    })
    .filter((part) => part.text !== "");
}

/** @param {string} word */
function escaped(word) {
  return word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
