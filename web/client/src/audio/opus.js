// Opus by WebCodecs, one packet a frame of 20 ms, at 48 kHz, where Opus itself works.

export const OPUS_RATE_HZ = 48_000;

const FRAME_US = 20_000;
const PROBE_FRAMES = 5;
/** An encoder that keeps more than a second to itself does not keep up. */
const WAITING_FRAMES_MAX = 50;
const FORMAT = { codec: "opus", sampleRate: OPUS_RATE_HZ, numberOfChannels: 1 };
const ENCODER_CONFIG = {
  ...FORMAT,
  bitrate: 32_000,
  opus: { application: "voip", signal: "voice", frameDuration: FRAME_US },
};

/** @type {Promise<boolean> | undefined} */
let probe;

/** Whether this browser really codes Opus, both ways: some say so and do not. Tried once. */
export function supportsOpus() {
  probe ??= codesOpus().catch(() => false);
  return probe;
}

async function codesOpus() {
  if (typeof AudioEncoder === "undefined" || typeof AudioDecoder === "undefined") return false;
  const [encoding, decoding] = await Promise.all([
    AudioEncoder.isConfigSupported(ENCODER_CONFIG), AudioDecoder.isConfigSupported(FORMAT),
  ]);
  if (!encoding.supported || !decoding.supported) return false;
  let decodedSamples = 0;
  let hasFailed = false;
  const fail = () => { hasFailed = true; };
  const decoder = createOpusDecoder((samples) => { decodedSamples += samples.length; }, fail);
  const encoder = createOpusEncoder((packet) => decoder.decode(packet.buffer), fail);
  const frame = Float32Array.from({ length: OPUS_RATE_HZ / 50 }, (_, index) => Math.sin(index / 20) / 2);
  for (let count = 0; count < PROBE_FRAMES; count += 1) encoder.encode(frame);
  await encoder.flush();
  await decoder.flush();
  encoder.close();
  decoder.close();
  return !hasFailed && decodedSamples >= PROBE_FRAMES * frame.length;
}

/**
 * @typedef {object} OpusEncoding
 * @property {(frame: Float32Array<ArrayBuffer>) => boolean} encode false if it was dropped: the encoder is
 *   too slow
 * @property {() => Promise<void>} flush returns once all packets were handed out
 * @property {() => void} close
 */

/**
 * @param {(packet: Uint8Array<ArrayBuffer>) => void} onPacket
 * @param {(error: Error) => void} onError nothing comes any more
 * @returns {OpusEncoding}
 */
export function createOpusEncoder(onPacket, onError) {
  let timestampUs = 0;
  const encoder = new AudioEncoder({
    output: (chunk) => {
      const packet = new Uint8Array(chunk.byteLength);
      chunk.copyTo(packet);
      onPacket(packet);
    },
    error: onError,
  });
  encoder.configure(ENCODER_CONFIG);
  return {
    encode(frame) {
      if (encoder.state !== "configured" || encoder.encodeQueueSize > WAITING_FRAMES_MAX) return false;
      const sound = new AudioData({
        format: "f32-planar", sampleRate: OPUS_RATE_HZ, numberOfChannels: 1, numberOfFrames: frame.length,
        timestamp: timestampUs, data: frame,
      });
      timestampUs += FRAME_US;
      encoder.encode(sound);
      sound.close();
      return true;
    },
    flush: () => (encoder.state === "configured" ? encoder.flush() : Promise.resolve()),
    close: () => closeCodec(encoder),
  };
}

/**
 * @typedef {object} OpusDecoding
 * @property {(packet: ArrayBuffer) => void} decode
 * @property {() => Promise<void>} flush returns once all samples were handed out
 * @property {() => void} close
 */

/**
 * @param {(samples: Float32Array<ArrayBuffer>) => void} onSamples at 48 kHz
 * @param {(error: Error) => void} onError nothing comes any more
 * @returns {OpusDecoding}
 */
export function createOpusDecoder(onSamples, onError) {
  let timestampUs = 0;
  const decoder = new AudioDecoder({
    output: (sound) => {
      const samples = new Float32Array(sound.numberOfFrames);
      sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      sound.close();
      onSamples(samples);
    },
    error: onError,
  });
  decoder.configure(FORMAT);
  return {
    decode(packet) {
      if (decoder.state !== "configured") return;
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: timestampUs, data: packet }));
      timestampUs += FRAME_US;
    },
    flush: () => (decoder.state === "configured" ? decoder.flush() : Promise.resolve()),
    close: () => closeCodec(decoder),
  };
}

/** @param {AudioEncoder | AudioDecoder} codec */
function closeCodec(codec) {
  if (codec.state !== "closed") codec.close();
}
