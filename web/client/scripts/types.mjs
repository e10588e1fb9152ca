// Makes `src/protocol.d.ts` from `docs/protocol.schema.json`; with `--check` it only says whether the file is
// stale.
//
// The schema is made from the server's own types and uses little of JSON Schema, so it is translated word by
// word: every definition becomes one exported type of the same name, and nothing is named twice. A keyword
// that is not known here ends the translation instead of being passed over.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SCHEMA = new URL("../../../docs/protocol.schema.json", import.meta.url);
const TYPES = new URL("../src/protocol.d.ts", import.meta.url);
const COLUMNS_MAX = 110;
const REFERENCE = "#/$defs/";

/** Keywords that bound a value and that TypeScript has no words for. */
const BOUNDS = new Set([
  "default", "format", "maximum", "maxLength", "minimum", "minLength", "not", "pattern",
]);
const TRANSLATED = new Set([
  "$ref", "additionalProperties", "anyOf", "const", "description", "items", "oneOf", "properties", "required",
  "title", "type",
]);

/**
 * @typedef {{ [keyword: string]: unknown }} Schema
 */

/**
 * The whole file.
 *
 * @param {{ $defs: Record<string, Schema> }} document
 * @returns {string}
 */
export function typesOf(document) {
  const { Event: event, ...others } = document.$defs;
  if (event === undefined) throw new Error("the schema defines no Event");
  const declarations = Object.entries(others).map(([name, schema]) => declaration(name, schema));
  const head = "// Made from docs/protocol.schema.json by `npm run types`; do not edit.";
  return [head, envelopeDeclaration(), eventDeclaration(event), ...declarations].join("\n\n") + "\n";
}

/** @returns {string} */
function envelopeDeclaration() {
  return [
    "/** One durable event: the same bytes for everybody and for ever. */",
    "export interface Envelope<Type extends string, Data> {",
    "  event_id: EventId;",
    "  seq: Seq;",
    "  session_id: SessionId;",
    "  type: Type;",
    "  created_at: Timestamp;",
    "  data: Data;",
    "}",
  ].join("\n");
}

/**
 * Events differ in their type and their data alone, so each is an `Envelope` of the two.
 *
 * @param {Schema} schema
 * @returns {string}
 */
function eventDeclaration(schema) {
  const members = schemas(schema.anyOf).map((member) => {
    const { type, data, ...rest } = /** @type {Record<string, Schema>} */ (member.properties);
    const common = Object.keys(rest).sort().join();
    if (type === undefined || data === undefined || common !== "created_at,event_id,seq,session_id") {
      throw new Error(`not an envelope: ${member.title}`);
    }
    const name = typeof type.const === "string" ? JSON.stringify(type.const) : "`${StageId}.delta`";
    return `Envelope<${name}, ${typeOf(data, 0)}>`;
  });
  return `${comment(schema, 0)}export type Event =\n${members.map((member) => `  | ${member}`).join("\n")};`;
}

/**
 * @param {string} name
 * @param {Schema} schema
 * @returns {string}
 */
function declaration(name, schema) {
  const isPlainObject = schema.properties !== undefined && alternatives(schema) === undefined;
  const text = isPlainObject
    ? `export interface ${name} ${typeOf(schema, 0)}`
    : `export type ${name} = ${typeOf(schema, 0)};`;
  return comment(schema, 0) + text.replace(/ = \n/, " =\n");
}

/**
 * @param {Schema} schema
 * @param {number} depth how far it is indented
 * @returns {string}
 */
function typeOf(schema, depth) {
  for (const keyword of Object.keys(schema)) {
    if (!TRANSLATED.has(keyword) && !BOUNDS.has(keyword)) throw new Error(`unknown keyword ${keyword}`);
  }
  if (typeof schema.$ref === "string") return schema.$ref.slice(REFERENCE.length);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choice = alternatives(schema);
  if (choice !== undefined) {
    const union = unionOf(choice, depth);
    if (schema.properties === undefined) return union;
    return `${objectOf(schema, depth)} & (${union}\n${indent(depth)})`;
  }
  if (schema.properties !== undefined) return objectOf(schema, depth);
  if (schema.type === undefined) return "unknown";
  return [schema.type].flat().map((type) => plainType(String(type), schema, depth)).join(" | ");
}

/**
 * @param {string} type
 * @param {Schema} schema
 * @param {number} depth
 * @returns {string}
 */
function plainType(type, schema, depth) {
  switch (type) {
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `Array<${typeOf(/** @type {Schema} */ (schema.items), depth)}>`;
    case "object":
      return schema.additionalProperties === true ? "Record<string, unknown>" : "{}";
    default:
      throw new Error(`unknown type ${type}`);
  }
}

/**
 * @param {Schema} schema
 * @param {number} depth
 * @returns {string}
 */
function objectOf(schema, depth) {
  const required = new Set(/** @type {string[]} */ (schema.required ?? []));
  const properties = Object.entries(/** @type {Record<string, Schema | true>} */ (schema.properties));
  const lines = properties.map(([name, property]) => {
    const value = property === true ? {} : property;
    const mark = required.has(name) ? "" : "?";
    return `${comment(value, depth + 1)}${indent(depth + 1)}${name}${mark}: ${typeOf(value, depth + 1)};`;
  });
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent(depth)}}`;
}

/**
 * @param {Schema[]} choice
 * @param {number} depth
 * @returns {string}
 */
function unionOf(choice, depth) {
  const members = choice.map((member) => ({ member, text: typeOf(member, depth + 1) }));
  const line = members.map(({ text }) => text).join(" | ");
  const isTold = members.some(({ member }) => member.description !== undefined);
  if (!isTold && !line.includes("\n") && line.length < COLUMNS_MAX / 2) return line;
  const margin = indent(depth + 1);
  const lines = members.map(({ member, text }) => `${comment(member, depth + 1)}${margin}| ${text}`);
  return `\n${lines.join("\n")}`;
}

/**
 * @param {Schema} schema
 * @returns {Schema[] | undefined}
 */
function alternatives(schema) {
  const choice = schema.oneOf ?? schema.anyOf;
  return choice === undefined ? undefined : schemas(choice);
}

/**
 * @param {unknown} list
 * @returns {Schema[]}
 */
function schemas(list) {
  return /** @type {Schema[]} */ (list);
}

/**
 * @param {Schema} schema
 * @param {number} depth
 * @returns {string}
 */
function comment(schema, depth) {
  if (typeof schema.description !== "string") return "";
  const lines = schema.description.split("\n").flatMap((line) => wrapped(line, COLUMNS_MAX - 2 * depth - 4));
  const single = `${indent(depth)}/** ${lines[0]} */`;
  if (lines.length === 1 && single.length <= COLUMNS_MAX) return `${single}\n`;
  const body = lines.map((line) => `${indent(depth)} * ${line}`.trimEnd());
  return `${indent(depth)}/**\n${body.join("\n")}\n${indent(depth)} */\n`;
}

/**
 * @param {string} text
 * @param {number} columns
 * @returns {string[]}
 */
function wrapped(text, columns) {
  /** @type {string[]} */
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/**
 * @param {number} depth
 * @returns {string}
 */
function indent(depth) {
  return "  ".repeat(depth);
}

/** The types as the schema has them now. */
export function currentTypes() {
  return typesOf(JSON.parse(readFileSync(SCHEMA, "utf8")));
}

/** The types as they are committed. */
export function committedTypes() {
  try {
    return readFileSync(TYPES, "utf8");
  } catch {
    return "";
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes("--check")) {
    writeFileSync(TYPES, currentTypes());
  } else if (committedTypes() !== currentTypes()) {
    console.error("src/protocol.d.ts is not what docs/protocol.schema.json makes: run `npm run types`");
    process.exitCode = 1;
  }
}
