// The shapes of the server's REST answers that the page reads beside the events of a session.

/**
 * What the page needs to draw any playbook. It invents no label: an unknown path is shown by its last segment.
 *
 * @typedef {object} Playbook
 * @property {string} name
 * @property {string} hash
 * @property {string} title_slot
 * @property {PlaybookSlot[]} slots
 * @property {{min_confidence: number}} gate
 * @property {PlaybookStage[]} stages
 * @property {Record<string, string>} fields   names of the fields of outputs
 * @property {{id: string, label?: string}[]} voices
 * @property {number} run_budget_ms
 *
 * @typedef {object} PlaybookSlot
 * @property {string} path
 * @property {"text" | "text_list" | "number" | "choice" | "price_band"} kind
 * @property {boolean} required
 * @property {string} label
 * @property {{value: string | number, label: string}[]} options
 * @property {number} [items_min]
 * @property {number} [items_max]
 * @property {string} [question]
 *
 * @typedef {object} PlaybookStage
 * @property {string} id
 * @property {string} label
 * @property {string} state
 * @property {string[]} needs
 * @property {number} budget_ms
 * @property {string[]} verify
 * @property {unknown} [schema]
 */

/**
 * `GET /health/detailed`.
 *
 * @typedef {object} Health
 * @property {"ok" | "degraded" | "draining"} status
 * @property {string} version
 * @property {"ok" | "failing" | "not_configured"} llm
 * @property {"ok" | "not_configured"} search
 * @property {"ok" | "failing" | "not_configured"} stt
 * @property {"ok" | "failing" | "not_configured"} tts
 * @property {"ok" | "failing" | "not_configured"} moderation
 * @property {"ok" | "failing"} journal
 * @property {Record<string, unknown>} dependencies
 */

export {};
