"""Transcription of the recordings that ship, in every form, and of what is none."""

import io
import struct

import openai

from .harness import World, check, equal, raises


def recording(world: World) -> io.BytesIO:
    path = sorted(world.utterances.glob("*.flac"))[0]
    audio = io.BytesIO(path.read_bytes())
    audio.name = path.name
    return audio


def silence(seconds: float) -> io.BytesIO:
    samples = bytes(int(16_000 * seconds) * 2)
    header = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16) + b"data" + struct.pack("<I", len(samples))
    audio = io.BytesIO(header + samples)
    audio.name = "silence.wav"
    return audio


def transcribe(world: World, **options: object) -> object:
    return world.client.audio.transcriptions.create(**({"model": "sim-transcribe"} | options))


@check
def a_known_recording_is_recognised(world: World) -> None:
    result = transcribe(world, file=recording(world))
    assert result.text, "nothing was recognised"
    equal(result.usage.type, "tokens")
    call = world.calls()[-1]
    equal((call["purpose"], call["outcome"]), ("transcription", "completed"))
    assert call["usage"]["heard_ms"] > 500
    equal(call["usage"]["output_tokens"], result.usage.output_tokens)


@check
def whisper_has_every_format(world: World) -> None:
    def whisper(form: str, **options: object) -> object:
        return transcribe(world, model="sim-whisper", file=recording(world), response_format=form, **options)

    plain = whisper("json")
    equal(plain.usage.type, "duration")
    equal(whisper("text").strip(), plain.text)
    assert " --> " in whisper("srt") and whisper("vtt").startswith("WEBVTT")
    verbose = whisper("verbose_json", timestamp_granularities=["word", "segment"])
    equal((verbose.text, verbose.language), (plain.text, "english"))
    assert verbose.segments[0].end <= verbose.duration + 0.01
    equal(" ".join(word.word for word in verbose.words), plain.text)
    raises(openai.BadRequestError, lambda: transcribe(world, file=recording(world), response_format="srt"))


@check
def a_transcript_is_streamed(world: World) -> None:
    events = list(transcribe(world, file=recording(world), stream=True))
    equal({event.type for event in events[:-1]}, {"transcript.text.delta"})
    equal(events[-1].type, "transcript.text.done")
    equal("".join(event.delta for event in events[:-1]), events[-1].text)


@check
def silence_is_an_empty_transcript(world: World) -> None:
    equal(transcribe(world, file=silence(1.0)).text, "")


@check
def speech_that_is_no_recording_is_not_made_up(world: World) -> None:
    spoken = world.client.audio.speech.create(model="sim-tts", voice="alloy", input="Something nobody recorded.")
    equal(transcribe(world, file=("speech.mp3", spoken.content)).text, "")


@check
def a_fault_mishears(world: World) -> None:
    world.fault({"kind": "mishear"}, api="transcriptions")
    assert transcribe(world, file=silence(1.0)).text


@check
def what_is_no_recording_is_refused(world: World) -> None:
    error = raises(openai.BadRequestError, lambda: transcribe(world, file=("a.mp3", b"this is no sound at all" * 40)))
    equal((error.type, error.param), ("invalid_request_error", "file"))
    raises(openai.BadRequestError, lambda: transcribe(world, file=("a.wav", b"")))
    error = raises(openai.APIStatusError, lambda: transcribe(world, file=("a.wav", bytes(25 * 1024 * 1024 + 1))))
    equal(error.status_code, 413)
    raises(openai.NotFoundError, lambda: world.client.audio.translations.create(model="sim-whisper", file=silence(1.0)))
