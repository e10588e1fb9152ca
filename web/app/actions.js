// What a person can do on the page. Every view gets these and calls nothing else.

/**
 * @typedef {object} Actions
 * @property {() => Promise<void>} newSession              begins another session and goes to it
 * @property {(sessionId: string) => void} openSession     goes to a session of one's own
 * @property {(sessionId: string, title: string) => void} deleteSession   erases it when nobody undoes it in time
 * @property {() => void} undoDelete
 * @property {(query: string) => void} searchSessions      asks the server once typing rests
 * @property {() => void} showMoreSessions
 * @property {(dialog: import("./store.js").Ui["dialog"]) => void} showDialog   null closes it
 * @property {(token: string) => Promise<void>} enterToken
 * @property {(text: string) => Promise<void>} send        a refused text goes back into the composer
 * @property {(text: string) => void} compose              what the composer holds, kept over a reload
 * @property {() => Promise<void>} stopReply
 * @property {(path: string, value: unknown) => Promise<void>} setSlot     null clears; refused: throws ApiError
 * @property {(options?: {draft?: boolean}) => Promise<void>} generate
 * @property {() => Promise<void>} cancelRun
 * @property {() => Promise<void>} retryRun
 * @property {(runId: string) => Promise<void>} exportRun  saves the archive as a file
 * @property {(text: string, voicePreset?: string) => Promise<{audio_url: string}>} speak
 * @property {() => Promise<void>} startCall
 * @property {() => void} stopCall
 * @property {() => void} hold                             push-to-talk: the button is down
 * @property {() => void} release
 * @property {(muted: boolean) => void} setMuted
 * @property {(settings: Partial<import("./store.js").VoiceSettings>) => void} setVoice
 * @property {() => Promise<void>} listDevices
 * @property {() => void} retryConnection
 * @property {(notice: {kind: string, key?: string, error?: unknown, parameters?: Record<string, string | number>}) => void} notify
 * @property {(noticeId: string) => void} dismissNotice
 * @property {(language: import("./store.js").Language) => void} setLanguage
 * @property {(theme: import("./store.js").Theme) => void} setTheme
 * @property {(pane: import("./store.js").Pane) => void} setPane
 * @property {() => void} showEarlier                      draws more of a long conversation
 * @property {(patch: Record<string, unknown>) => void} setLocal   small things of one view, in `model.ui.local`
 * @property {() => Promise<void>} refreshHealth
 */

export {};
