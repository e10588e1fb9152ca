// @ts-check
// What the microphone plays: recordings that ship with the project, one after the other with silence between.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const UTTERANCES = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../loadtest/utterances");
const SAMPLE_RATE_HZ = 48_000;
const BYTES_PER_SAMPLE = 2;
const WAV_HEADER_BYTES = 44;

/**
 * Writes a WAV file of recordings (by their ids) and silences (in milliseconds).
 * @param {import("playwright-core").Browser} browser decodes the recordings
 * @param {string} file
 * @param {(string | number)[]} parts
 */
export async function writeMicrophone(browser, file, parts) {
  const page = await browser.newPage();
  /** @type {Buffer[]} */
  const sounds = [];
  for (const part of parts) {
    sounds.push(typeof part === "number" ? silence(part) : await decode(page, path.join(UTTERANCES, `${part}.flac`)));
  }
  await page.close();
  await writeFile(file, wav(Buffer.concat(sounds)));
}

/** @param {number} ms */
function silence(ms) {
  return Buffer.alloc(Math.round((ms * SAMPLE_RATE_HZ) / 1000) * BYTES_PER_SAMPLE);
}

/**
 * A recording as PCM, decoded by the browser.
 * @param {import("playwright-core").Page} page
 * @param {string} file
 */
async function decode(page, file) {
  const encoded = (await readFile(file)).toString("base64");
  const decoded = await page.evaluate(
    async ([base64, rateHz]) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const context = new OfflineAudioContext(1, 1, rateHz);
      const sound = await context.decodeAudioData(bytes.buffer);
      const pcm = Int16Array.from(sound.getChannelData(0), (sample) => Math.max(-1, Math.min(1, sample)) * 0x7fff);
      const text = Array.from(new Uint8Array(pcm.buffer), (byte) => String.fromCharCode(byte));
      return btoa(text.join(""));
    },
    /** @type {const} */ ([encoded, SAMPLE_RATE_HZ]),
  );
  return Buffer.from(decoded, "base64");
}

/** @param {Buffer} pcm mono, 16 bit */
function wav(pcm) {
  const header = Buffer.alloc(WAV_HEADER_BYTES);
  header.write("RIFF", 0);
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + pcm.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLE_RATE_HZ, 24);
  header.writeUInt32LE(SAMPLE_RATE_HZ * BYTES_PER_SAMPLE, 28);
  header.writeUInt16LE(BYTES_PER_SAMPLE, 32);
  header.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  header.write("data", 36);
  header.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([header, pcm]);
}
