"""Measures what the live voice path costs in words: the same recordings as a microphone would send them, through the socket,
Opus, resampling, trimming and pre-roll of a running server into a real recogniser.

Each recording is recognised once as it is, and for each format twice: decoded and resampled by ffmpeg, which shows what the
format itself costs, and as the server heard it, frame by frame in real time. `word_errors.py` has the recogniser.

    python3 -m venv venv && venv/bin/pip install pocketsphinx==5.1.1 websockets==15.0.1
    cargo build --bin greenroom
    venv/bin/python loadtest/measure/words_through_sockets.py target/debug/greenroom

Needs ffmpeg. Exit status 1 if the path costs words in any format: more of them in a hundred than a recogniser gets wrong by
chance, when it is given a little more or less silence.
"""

import concurrent.futures
import dataclasses
import json
import sys
import time
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from word_errors import UTTERANCES, VOICE, decoded, errors, ffmpeg, new_session, recognise, server_that_hears, utterances, words

# What is silent before and after each recording, in bytes of 16 kHz mono; after the last of it every endpoint is found.
SILENCE_BEFORE = bytes(2 * 16_000 // 2)
SILENCE_AFTER = bytes(2 * 16_000 * 5 // 2)
# How long a transcript may take after that.
TRANSCRIPT_WAIT_S = 20.0
# What may be chance, of all words.
CHANCE = 0.02
# Talking takes real time; so many people talk at once.
TALKERS = 6


@dataclasses.dataclass(frozen=True)
class Format:
    name: str
    codec: str
    sample_rate: int
    channels: int
    frame_ms: int

    def encode(self, pcm: bytes) -> bytes:
        """16 kHz mono samples in this format: samples, or an Ogg file."""
        source = ["-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "pipe:"]
        shape = ["-ar", str(self.sample_rate), "-ac", str(self.channels)]
        if self.codec == "opus":
            shape += ["-c:a", "libopus", "-application", "voip", "-b:a", "24k", "-frame_duration", str(self.frame_ms)]
            return ffmpeg(*source, *shape, "-f", "ogg", stdin=pcm)
        return ffmpeg(*source, *shape, "-f", "s16le", stdin=pcm)

    def decode(self, encoded: bytes) -> bytes:
        """What ffmpeg hears in it, as 16 kHz mono samples."""
        source = [] if self.codec == "opus" else ["-f", "s16le", "-ar", str(self.sample_rate), "-ac", str(self.channels)]
        return ffmpeg(*source, "-i", "pipe:", "-ar", "16000", "-ac", "1", "-f", "s16le", stdin=encoded)

    def frames(self, encoded: bytes) -> list[bytes]:
        if self.codec == "opus":
            return list(ogg_packets(encoded))[2:]  # without the two headers
        size = self.sample_rate * self.channels * 2 * self.frame_ms // 1000
        return [encoded[at : at + size] for at in range(0, len(encoded) - size + 1, size)]


FORMATS = [
    Format("PCM, 16 kHz, 20 ms", "pcm_s16le", 16_000, 1, 20),
    Format("PCM, 48 kHz stereo, 20 ms", "pcm_s16le", 48_000, 2, 20),
    Format("Opus, 24 kbit/s, 20 ms", "opus", 48_000, 1, 20),
    Format("Opus, 24 kbit/s, 60 ms", "opus", 48_000, 1, 60),
]


def ogg_packets(file: bytes) -> Iterator[bytes]:
    """The packets of an Ogg file with one stream (RFC 3533)."""
    at, packet = 0, b""
    while at < len(file):
        assert file[at : at + 4] == b"OggS"
        segments = file[at + 26]
        sizes = file[at + 27 : at + 27 + segments]
        at += 27 + segments
        for size in sizes:
            packet += file[at : at + size]
            at += size
            if size < 255:
                yield packet
                packet = b""


def hear(socket: ClientConnection, texts: list[str], seconds: float) -> bool:
    """Takes what comes for so long; says whether an utterance was dealt with."""
    until = time.monotonic() + seconds
    was_dealt_with = False
    while (left := until - time.monotonic()) > 0:
        try:
            received = socket.recv(timeout=left)
        except TimeoutError:
            break
        if isinstance(received, bytes):
            continue
        message = json.loads(received)
        data = message.get("data", {})
        if message["type"] == "message.added" and data["role"] == "user":
            texts.append(data["text"])
            was_dealt_with = True
        elif message["type"] == "speech.discarded":
            was_dealt_with = True
        elif message["type"] == "rejected":
            raise RuntimeError(f"the server refused: {received}")
    return was_dealt_with


def say(server: str, shape: Format, encoded: bytes) -> str:
    """What the server understood of a recording that was said to it in real time."""
    url = f"{server.replace('http', 'ws', 1)}/api/chat/session/{new_session(server)}/ws"
    texts: list[str] = []
    with connect(url, subprotocols=["greenroom.v1"], compression=None, proxy=None) as socket:
        start = {"codec": shape.codec, "sample_rate": shape.sample_rate, "channels": shape.channels}
        socket.send(json.dumps({"type": "audio.start", "id": "start", **start}))
        began = time.monotonic()
        was_dealt_with = False
        for index, frame in enumerate(shape.frames(encoded), start=1):
            socket.send(frame)
            was_dealt_with |= hear(socket, texts, began + index * shape.frame_ms / 1000 - time.monotonic())
        patience = time.monotonic() + TRANSCRIPT_WAIT_S
        while not was_dealt_with and time.monotonic() < patience:
            try:
                was_dealt_with = hear(socket, texts, 0.2)
            except ConnectionClosed as closed:
                raise RuntimeError("the server hung up") from closed
    return " ".join(texts)


def measure(server: str, entry: dict, shape: Format) -> tuple[Format, int, int]:
    """The word errors of one recording in one format: by ffmpeg, and as the server heard it."""
    pcm = SILENCE_BEFORE + decoded(str(UTTERANCES / entry["file"])) + SILENCE_AFTER
    encoded = shape.encode(pcm)
    by_ffmpeg = errors(entry["words"], words(recognise(shape.decode(encoded))))
    heard = say(server, shape, encoded)
    by_server = errors(entry["words"], words(heard))
    if by_server > by_ffmpeg:
        print(f"{shape.name}: {entry['id']}: {' '.join(entry['words'])!r} was heard as {heard!r}", file=sys.stderr)
    return shape, by_ffmpeg, by_server


def report(server: str) -> bool:
    """Prints the table; says whether the path costs no words."""
    recordings = utterances()
    total = sum(len(entry["words"]) for entry in recordings)
    original = sum(
        errors(entry["words"], words(recognise(decoded(str(UTTERANCES / entry["file"]))))) for entry in recordings
    )
    by_ffmpeg = {shape: 0 for shape in FORMATS}
    by_server = {shape: 0 for shape in FORMATS}
    with concurrent.futures.ThreadPoolExecutor(TALKERS) as talkers:
        talks = [talkers.submit(measure, server, entry, shape) for entry in recordings for shape in FORMATS]
        for talk in concurrent.futures.as_completed(talks):
            shape, ffmpeg_errors, server_errors = talk.result()
            by_ffmpeg[shape] += ffmpeg_errors
            by_server[shape] += server_errors
    print(f"{len(recordings)} recordings of the voice {VOICE}, {total} words; word errors")
    print(f"{'the recording itself':<28} {original:>3}  {100 * original / total:5.1f} %")
    print(f"{'':<28} by ffmpeg      spoken to the server")
    for shape in FORMATS:
        alone, ours = by_ffmpeg[shape], by_server[shape]
        print(f"{shape.name:<28} {alone:>3}  {100 * alone / total:5.1f} %   {ours:>3}  {100 * ours / total:5.1f} %")
    return all(by_server[shape] <= by_ffmpeg[shape] + CHANCE * total for shape in FORMATS)


def main() -> int:
    with server_that_hears(sys.argv[1]) as (server, _):
        return 0 if report(server) else 1


if __name__ == "__main__":
    sys.exit(main())
