"""What the measurements of word errors share: a real recogniser, the recordings, and a server that hears by it.

The recogniser (pocketsphinx, with the English model that it carries) stands behind `POST /audio/transcriptions`, so what it
hears is what any provider would hear. The recordings are those of one voice of flite in loadtest/utterances.
"""

import contextlib
import http.server
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import tomllib
import urllib.request
import wave
from collections.abc import Iterator

from pocketsphinx import Decoder

UTTERANCES = pathlib.Path(__file__).parent.parent / "utterances"
VOICE = "awb"


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


def ffmpeg(*arguments: str, stdin: bytes = b"") -> bytes:
    """What ffmpeg makes of its standard input."""
    command = ["ffmpeg", "-loglevel", "error", *arguments, "-"]
    return subprocess.run(command, check=True, capture_output=True, input=stdin).stdout


def decoded(path: str) -> bytes:
    """A recording as 16 kHz mono samples, by ffmpeg."""
    return ffmpeg("-i", path, "-ar", "16000", "-ac", "1", "-f", "s16le")


def utterances() -> list[dict]:
    """The recordings, each with the `words` that are said in it."""
    with open(UTTERANCES / "utterances.toml", "rb") as index:
        entries = [entry for entry in tomllib.load(index)["utterances"] if entry["voice"] == VOICE]
    for entry in entries:
        entry["words"] = words(" ".join(entry.get("spoken", [entry["text"]])))
    return entries


def ask(url: str, body: bytes, content_type: str) -> dict:
    request = urllib.request.Request(url, body, {"content-type": content_type})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def new_session(server: str) -> str:
    return ask(f"{server}/api/chat/session", b'{"locale":"en"}', "application/json")["session_id"]


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


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def wait_until_ready(server: str) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{server}/ready", timeout=1).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"{server} is not ready after 30 s")


@contextlib.contextmanager
def server_that_hears(binary: str) -> Iterator[tuple[str, str]]:
    """A server whose recogniser is the one above, and a folder; both end with the block."""
    recogniser = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recogniser)
    threading.Thread(target=recogniser.serve_forever, daemon=True).start()
    address = free_address()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "GREENROOM_STT__PROVIDER": "pocketsphinx",
            "GREENROOM_STT__BASE_URL": f"http://127.0.0.1:{recogniser.server_port}",
            "GREENROOM_STT__MODEL": "en-us",
            "GREENROOM_LIMITS__REQUESTS_PER_MINUTE": "0",
            "GREENROOM_LIMITS__TURNS_PER_MINUTE": "0",
        }
        server = subprocess.Popen(
            [os.path.abspath(binary), "serve", "--listen", address, "--data-dir", folder],
            env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_ready(f"http://{address}")
            yield f"http://{address}", folder
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
            recogniser.shutdown()
