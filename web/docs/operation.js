// An operation of the API as the page describes it, and the request that comes of what was filled in.

/**
 * @typedef {object} Parameter
 * @property {string} name
 * @property {"path" | "query" | "header"} in
 * @property {boolean} required
 * @property {string | null} example
 * @property {string[]} values         what it may be, if that can be listed
 *
 * @typedef {object} FormField
 * @property {string} name
 * @property {boolean} file
 * @property {boolean} required
 * @property {string[]} values
 *
 * @typedef {object} RequestBody
 * @property {string} media_type
 * @property {unknown} example         of a body that is JSON
 * @property {FormField[] | null} fields  of a form
 *
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} method
 * @property {string} path
 * @property {Parameter[]} parameters
 * @property {RequestBody | null} body
 * @property {string[]} answers        the media types of good answers
 *
 * @typedef {object} Filled            what was filled in
 * @property {Record<string, string>} parameters  by name; empty means left out
 * @property {string} body             JSON text
 * @property {Record<string, string | File>} fields
 * @property {string} accept           empty to leave it to the server
 *
 * @typedef {object} PreparedRequest
 * @property {string} path             with its query
 * @property {{ method: string, headers: Record<string, string>, body?: string | FormData }} init
 */

/**
 * @param {Operation} operation
 * @param {Filled} filled
 * @param {Record<string, string>} identityHeaders
 * @returns {PreparedRequest}
 */
export function requestOf(operation, filled, identityHeaders) {
  let path = operation.path;
  const query = new URLSearchParams();
  /** @type {Record<string, string>} */
  const headers = { ...identityHeaders };
  if (filled.accept) headers.Accept = filled.accept;
  for (const parameter of operation.parameters) {
    const value = (filled.parameters[parameter.name] ?? "").trim();
    if (parameter.in === "path")
      path = path.replace(new RegExp(`\\{\\*?${parameter.name}\\}`), encodeURIComponent(value));
    else if (value && parameter.in === "query") query.set(parameter.name, value);
    else if (value) headers[parameter.name] = value;
  }
  const body = bodyOf(operation, filled);
  // A form's media type carries its boundary, which the browser draws.
  if (typeof body === "string" && operation.body) headers["Content-Type"] = operation.body.media_type;
  const search = query.toString();
  return {
    path: search ? `${path}?${search}` : path,
    init: { method: operation.method, headers, ...(body === undefined ? {} : { body }) },
  };
}

/**
 * What is required and not filled in.
 * @param {Operation} operation
 * @param {Filled} filled
 * @returns {string[]} names
 */
export function missingOf(operation, filled) {
  const parameters = operation.parameters.filter(
    ({ name, required }) => required && !filled.parameters[name]?.trim(),
  );
  const fields = (operation.body?.fields ?? []).filter(
    ({ name, required }) => required && !filled.fields[name],
  );
  return [...parameters, ...fields].map(({ name }) => name);
}

/** @param {Operation} operation @param {Filled} filled @returns {string | FormData | undefined} */
function bodyOf(operation, filled) {
  if (!operation.body) return undefined;
  if (!operation.body.fields) return filled.body.trim() || undefined;
  const form = new FormData();
  for (const { name } of operation.body.fields) {
    const value = filled.fields[name];
    if (value) form.set(name, value);
  }
  return form;
}
