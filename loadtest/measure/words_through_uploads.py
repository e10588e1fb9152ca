"""Measures what uploads cost in words: the same recordings in every format, through a running server into a real recogniser.

Each recording is recognised once as it is, and for each format twice: decoded and resampled by ffmpeg, which shows what the
format itself costs, and after an upload. `word_errors.py` has the recogniser.

    python3 -m venv venv && venv/bin/pip install pocketsphinx==5.1.1
    cargo build --bin greenroom
    venv/bin/python loadtest/measure/words_through_uploads.py target/debug/greenroom

Needs ffmpeg.
"""

import os
import subprocess
import sys

from word_errors import UTTERANCES, VOICE, ask, decoded, errors, new_session, recognise, server_that_hears, utterances, words

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


def upload(server: str, session: str, recording: bytes) -> str:
    """The transcript of an upload."""
    boundary = "recording-boundary"
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="audio"; filename="recording"\r\n\r\n'
    body = head.encode() + recording + f"\r\n--{boundary}--\r\n".encode()
    url = f"{server}/api/chat/session/{session}/voice-turn"
    return ask(url, body, f"multipart/form-data; boundary={boundary}")["transcript"]


def main() -> int:
    with server_that_hears(sys.argv[1]) as (server, folder):
        report(server, folder)
    return 0


def report(server: str, folder: str) -> None:
    recordings = utterances()
    total = sum(len(entry["words"]) for entry in recordings)
    original = 0
    by_ffmpeg = {name: 0 for name in FORMATS}
    by_upload = {name: 0 for name in FORMATS}
    for entry in recordings:
        recording = str(UTTERANCES / entry["file"])
        original += errors(entry["words"], words(recognise(decoded(recording))))
        session = new_session(server)
        for name, arguments in FORMATS.items():
            path = os.path.join(folder, f"upload.{name.split()[0]}")
            subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", recording, *arguments, path], check=True)
            by_ffmpeg[name] += errors(entry["words"], words(recognise(decoded(path))))
            with open(path, "rb") as encoded:
                by_upload[name] += errors(entry["words"], words(upload(server, session, encoded.read())))
    print(f"{len(recordings)} recordings of the voice {VOICE}, {total} words; word errors")
    print(f"{'the recording itself':<24} {original:>3}  {100 * original / total:5.1f} %")
    print(f"{'':<24} by ffmpeg      uploaded")
    for name in FORMATS:
        ffmpeg, ours = by_ffmpeg[name], by_upload[name]
        print(f"{name:<24} {ffmpeg:>3}  {100 * ffmpeg / total:5.1f} %   {ours:>3}  {100 * ours / total:5.1f} %")


if __name__ == "__main__":
    sys.exit(main())
