// Colours that are used together can be told apart, in both themes: 4.5 to 1 for text, 3 to 1 for what has a
// shape.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const TEXT = 4.5;
const SHAPE = 3;

/**
 * Foreground, the backgrounds it stands on, what WCAG 2.2 AA asks for.
 *
 * @type {readonly [string, string[], number][]}
 */
const PAIRS = [
  ["ink", ["room", "room-raised", "room-sunken", "room-wash"], TEXT],
  ["ink-soft", ["room", "room-raised", "room-sunken", "room-wash"], TEXT],
  ["ink-unheard", ["room"], TEXT],
  ["action", ["room", "room-raised", "room-wash"], TEXT],
  ["on-action", ["action", "action-strong"], TEXT],
  ["on-action-wash", ["action-wash"], TEXT],
  ["light-ink", ["room", "room-raised", "light-wash"], TEXT],
  ["on-light", ["light"], TEXT],
  ["danger", ["room", "room-raised", "danger-wash"], TEXT],
  ["ink", ["danger-wash"], TEXT],
  ["on-danger", ["danger"], TEXT],
  ["on-simulated", ["simulated-a"], TEXT],
  [
    "stage-ink",
    ["stage", "stage-raised", "stage-sunken", "curtain-fold", "curtain-cloth", "curtain-sheen"],
    TEXT,
  ],
  ["stage-ink-soft", ["stage", "stage-raised", "stage-sunken"], TEXT],
  ["stage-light", ["stage", "stage-raised", "stage-light-wash"], TEXT],
  ["stage-action", ["stage", "stage-raised"], TEXT],
  ["stage-on-action", ["stage-action"], TEXT],
  ["stage-danger", ["stage", "stage-raised", "stage-danger-wash"], TEXT],
  ["curtain-hem", ["curtain-cloth"], TEXT],
  ["line-strong", ["room", "room-raised"], SHAPE],
  ["focus", ["room", "room-raised", "room-wash"], SHAPE],
  ["stage-line-strong", ["stage", "stage-raised"], SHAPE],
  ["stage-focus", ["stage", "stage-raised"], SHAPE],
  ["lamp-warming", ["stage"], SHAPE],
  ["lamp-lit", ["stage"], SHAPE],
  ["lamp-out", ["stage"], SHAPE],
];

const source = await readFile(new URL("../styles/tokens.css", import.meta.url), "utf8");

for (const theme of /** @type {const} */ (["light", "dark"])) {
  test(`colours have contrast in the ${theme} theme`, () => {
    const colours = coloursOf(source, theme);
    const faint = PAIRS.flatMap(([front, backs, wanted]) =>
      backs.flatMap((back) => {
        const ratio = contrast(colourOf(colours, front), colourOf(colours, back));
        return ratio < wanted ? [`${front} on ${back}: ${ratio.toFixed(2)}, wants ${wanted}`] : [];
      }),
    );
    assert.deepEqual(faint, []);
  });
}

test("contrast is reckoned as WCAG does", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.equal(contrast("#777777", "#ffffff").toFixed(2), "4.48");
});

/**
 * @param {string} css
 * @param {"light" | "dark"} theme
 */
function coloursOf(css, theme) {
  /** @type {Map<string, string>} */
  const colours = new Map();
  for (const [, name = "", value = ""] of css.matchAll(/--([\w-]+):\s*([^;]+);/g)) {
    const both = /^light-dark\((#\w{6}), (#\w{6})\)$/.exec(value);
    const colour = both ? both[theme === "light" ? 1 : 2] : value;
    if (colour && /^#\w{6}$/.test(colour) && !colours.has(name)) colours.set(name, colour);
  }
  return colours;
}

/**
 * @param {Map<string, string>} colours
 * @param {string} name
 */
function colourOf(colours, name) {
  const colour = colours.get(name);
  assert.ok(colour, `--${name} is a colour`);
  return colour;
}

/**
 * @param {string} one
 * @param {string} other
 */
function contrast(one, other) {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @param {string} colour */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
