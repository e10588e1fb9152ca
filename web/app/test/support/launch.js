// The launch playbook as the page gets it: its own slots and schemas, with no word of its own for anything.

import { readFileSync } from "node:fs";

const SCHEMAS = new URL("../../../../playbooks/launch/schemas/", import.meta.url);
export const STAGES = ["research", "strategy", "creative", "voice"];

/**
 * @type {readonly (readonly [string, "text" | "text_list" | "number" | "choice" | "price_band", boolean])[]}
 */
const SLOTS = [
  ["product.name", "text", true],
  ["product.category", "text", true],
  ["product.features", "text_list", true],
  ["product.price_band", "price_band", true],
  ["target.who", "text", true],
  ["target.why", "text", true],
  ["channel.channels", "text_list", true],
  ["goal.weekly_goal", "choice", true],
  ["goal.video_seconds", "number", false],
];

const PRICE_BANDS = ["low", "mid", "premium"].map((value) => ({ value, label: value }));

/**
 * The schema of a stage's output.
 * @param {string} stage
 * @returns {any}
 */
export function schemaOf(stage) {
  return JSON.parse(readFileSync(new URL(`${stage}.json`, SCHEMAS), "utf8"));
}

/** @returns {import("../../../client/src/answers.js").Playbook} */
export function launchPlaybook() {
  return {
    name: "launch",
    hash: "hash",
    title_slot: "product.name",
    slots: SLOTS.map(([path, kind, required]) => ({
      path,
      kind,
      required,
      label: "",
      options: kind === "price_band" ? PRICE_BANDS : [],
      ...(kind === "text_list" && { items_min: 1, items_max: 3 }),
    })),
    gate: { min_confidence: 0.7 },
    stages: STAGES.map((id) => ({
      id,
      label: "",
      state: "",
      needs: [],
      budget_ms: 20_000,
      verify: [],
      schema: schemaOf(id),
    })),
    fields: {},
    values: {},
    voices: [],
    run_budget_ms: 600_000,
  };
}
