// What the package exports.

export { GreenroomClient } from "./client.js";
export { ApiError } from "./errors.js";
export { fold } from "./fold.js";
export { emptyState } from "./state.js";
