// The shapes of the server's REST answers that the client hands on as they came; `/openapi.json` has all of
// them.

/**
 * @typedef {import("./protocol.js").Gate} Gate
 * @typedef {import("./protocol.js").Locale} Locale
 * @typedef {import("./protocol.js").Mode} Mode
 */

/**
 * `GET /api/chat/session/{session_id}`
 *
 * @typedef {object} SessionView
 * @property {string} session_id
 * @property {string} state
 * @property {Mode} mode
 * @property {Locale} locale
 * @property {Record<string, Record<string, unknown>>} brief_slots all slots, by the two parts of their path
 * @property {Gate} gate
 * @property {string} created_at
 * @property {string} updated_at
 */

/**
 * `POST /api/chat/session`
 *
 * @typedef {Omit<SessionView, "created_at" | "updated_at"> & { assistant_message: string }} CreatedSession
 */

/**
 * `GET /api/chat/sessions`: one page.
 *
 * @typedef {object} SessionList
 * @property {SessionItem[]} items
 * @property {number} total
 * @property {number} limit
 * @property {number} offset
 */

/**
 * @typedef {object} SessionItem
 * @property {string} session_id
 * @property {string | null} [title] the name of what it is about, once it is known
 * @property {string} state
 * @property {Mode} mode
 * @property {Locale} locale
 * @property {string} playbook its name
 * @property {number} completeness 0 to 1
 * @property {string} created_at
 * @property {string} updated_at
 */

/**
 * `POST …/assistant-voice`
 *
 * @typedef {object} Speech
 * @property {string} audio_url
 * @property {string} format
 * @property {number} bytes_size
 * @property {number} duration_ms
 */

/**
 * `GET …/playbook`: what is needed to show any playbook, in the language that was asked for.
 *
 * @typedef {object} Playbook
 * @property {string} name
 * @property {string} hash
 * @property {string} title_slot
 * @property {PlaybookSlot[]} slots
 * @property {{ min_confidence: number }} gate
 * @property {PlaybookStage[]} stages
 * @property {Record<string, string>} fields names of the fields of outputs
 * @property {Record<string, string>} values names of the values that their schemas enumerate
 * @property {Array<{ id: string, label?: string }>} voices
 * @property {number} run_budget_ms
 */

/**
 * @typedef {object} PlaybookSlot
 * @property {string} path
 * @property {"text" | "text_list" | "number" | "choice" | "price_band"} kind
 * @property {boolean} required
 * @property {string} label
 * @property {Array<{ value: string | number, label: string }>} options
 * @property {number} [items_min]
 * @property {number} [items_max]
 * @property {string} [question]
 */

/**
 * @typedef {object} PlaybookStage
 * @property {string} id
 * @property {string} label
 * @property {string} state the session's state while it runs
 * @property {string[]} needs
 * @property {number} budget_ms
 * @property {string[]} verify paths whose elements come whole, once checked
 * @property {unknown} [schema]
 */

/**
 * `GET /health/detailed`
 *
 * @typedef {object} Health
 * @property {"ok" | "degraded" | "draining"} status
 * @property {string} version
 * @property {string} time
 * @property {"ok" | "failing" | "not_configured"} llm
 * @property {"ok" | "not_configured"} search
 * @property {"ok" | "failing" | "not_configured"} stt
 * @property {"ok" | "failing" | "not_configured"} tts
 * @property {"ok" | "failing" | "not_configured"} moderation
 * @property {"ok" | "failing"} journal
 * @property {number} sessions_live
 * @property {number} connections
 * @property {Record<string, unknown>} dependencies
 */

export {};
