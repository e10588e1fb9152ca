"""How many words the upload path costs: recordings go through the server in every format to a real recogniser.

The recogniser (pocketsphinx, with the English model that it carries) stands behind `POST /audio/transcriptions`, so what it
hears is what any provider would hear. Each recording is recognised once as it is, and for each format twice: decoded and
resampled by ffmpeg, which shows what the format itself costs, and after an upload.

    python3 -m venv venv && venv/bin/pip install pocketsphinx==5.1.1
    cargo build --bin greenroom
    venv/bin/python loadtest/measure/words_through_uploads.py target/debug/greenroom

Needs flite's recordings in loadtest/utterances, and ffmpeg.
"""

import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
import wave
import io

from pocketsphinx import Decoder

UTTERANCES = pathlib.Path(__file__).parent.parent / "utterances"
VOICE = "awb"
# Extension, and how ffmpeg makes it from 16 kHz mono.
FORMATS = {
    "wav": ["-c:a", "pcm_s16le"],
    "wav 48 kHz stereo": ["-c:a", "pcm_s16le", "-ar", "48000", "-ac", "2", "-f", "wav"],
    "flac": ["-c:a", "flac"],
    "webm (Opus 24 kbit/s)": ["-c:a", "libopus", "-b:a", "24k", "-f", "webm"],
    "ogg (Opus 24 kbit/s)": ["-c:a", "libopus", "-b:a", "24k", "-f", "ogg"],
    "mp4 (Opus 24 kbit/s)": ["-c:a", "libopus", "-b:a", "24k", "-strict", "-2", "-f", "mp4"],
    "m4a (AAC 64 kbit/s)": ["-c:a", "aac", "-b:a", "64k", "-ar", "44100", "-f", "mp4"],
    "mp3 (64 kbit/s)": ["-c:a", "libmp3lame", "-b:a", "64k", "-ar", "44100", "-f", "mp3"],
    "ogg (Vorbis)": ["-c:a", "libvorbis", "-ar", "44100", "-f", "ogg"],
}


def words(text: str) -> list[str]:
    """The words of a text as the recogniser writes them."""
    return re.findall(r"[a-z']+", text.lower())


def errors(said: list[str], heard: list[str]) -> int:
    """Substitutions, deletions and insertions between two lists of words."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, start=1):
        previous, row[0] = row[0], index
        for column, other in enumerate(heard, start=1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (word != other))
    return row[-1]


def recognise(pcm: bytes) -> str:
    """What the recogniser makes of 16 kHz mono samples; a fresh one each time, so that none adapts to the one before."""
    decoder = Decoder(samprate=16000, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def samples(wav: bytes) -> bytes:
    """The samples of a WAV file that must be what the server promises: 16 kHz, mono, 16 bit."""
    with wave.open(io.BytesIO(wav)) as recording:
        assert (recording.getframerate(), recording.getnchannels(), recording.getsampwidth()) == (16000, 1, 2)
        return recording.readframes(recording.getnframes())


class Recogniser(http.server.BaseHTTPRequestHandler):
    """`POST /audio/transcriptions` with pocketsphinx behind it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        boundary = re.search(r'boundary="?([^";]+)', self.headers["content-type"]).group(1).encode()
        part = next(part for part in body.split(b"--" + boundary) if b'name="file"' in part)
        wav = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        answer = json.dumps({"text": recognise(samples(wav))}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def ask(url: str, body: bytes, content_type: str) -> dict:
    request = urllib.request.Request(url, body, {"content-type": content_type})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def upload(server: str, session: str, recording: bytes) -> str:
    """The transcript of an upload."""
    boundary = "recording-boundary"
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="audio"; filename="recording"\r\n\r\n'
    body = head.encode() + recording + f"\r\n--{boundary}--\r\n".encode()
    url = f"{server}/api/chat/session/{session}/voice-turn"
    return ask(url, body, f"multipart/form-data; boundary={boundary}")["transcript"]


def main() -> int:
    binary = sys.argv[1]
    recogniser = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recogniser)
    threading.Thread(target=recogniser.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with open(UTTERANCES / "utterances.toml", "rb") as index:
        utterances = [entry for entry in tomllib.load(index)["utterances"] if entry["voice"] == VOICE]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "GREENROOM_STT__PROVIDER": "pocketsphinx",
            "GREENROOM_STT__BASE_URL": f"http://127.0.0.1:{recogniser.server_port}",
            "GREENROOM_STT__MODEL": "en-us",
        }
        server = subprocess.Popen(
            [binary, "serve", "--listen", address, "--data-dir", folder],
            env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            report(f"http://{address}", utterances, folder)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
            recogniser.shutdown()
    return 0


def report(server: str, utterances: list[dict], folder: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{server}/ready", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    total = sum(len(words(" ".join(entry.get("spoken", [entry["text"]])))) for entry in utterances)
    original = 0
    by_ffmpeg = {name: 0 for name in FORMATS}
    by_upload = {name: 0 for name in FORMATS}
    for entry in utterances:
        said = words(" ".join(entry.get("spoken", [entry["text"]])))
        recording = str(UTTERANCES / entry["file"])
        original += errors(said, words(recognise(decoded(recording))))
        session = ask(f"{server}/api/chat/session", b'{"locale":"en"}', "application/json")["session_id"]
        for name, arguments in FORMATS.items():
            path = os.path.join(folder, f"upload.{name.split()[0]}")
            subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", recording, *arguments, path], check=True)
            by_ffmpeg[name] += errors(said, words(recognise(decoded(path))))
            with open(path, "rb") as encoded:
                by_upload[name] += errors(said, words(upload(server, session, encoded.read())))
    print(f"{len(utterances)} recordings of the voice {VOICE}, {total} words; word errors")
    print(f"{'the recording itself':<24} {original:>3}  {100 * original / total:5.1f} %")
    print(f"{'':<24} by ffmpeg      uploaded")
    for name in FORMATS:
        ffmpeg, ours = by_ffmpeg[name], by_upload[name]
        print(f"{name:<24} {ffmpeg:>3}  {100 * ffmpeg / total:5.1f} %   {ours:>3}  {100 * ours / total:5.1f} %")


def decoded(path: str) -> bytes:
    """A recording as 16 kHz mono samples, by ffmpeg."""
    arguments = ["-ar", "16000", "-ac", "1", "-f", "s16le", "-"]
    return subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", path, *arguments], check=True, capture_output=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
