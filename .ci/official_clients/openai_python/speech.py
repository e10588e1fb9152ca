"""Speech in every format, plain, streamed and as events."""

import openai

from .harness import World, check, equal, raises

TEXT = "Hello, this is a simulated voice. It reads two sentences."
# What each format begins with; ADTS and MP3 begin with a pattern of bits.
BEGINNINGS = {"opus": b"OggS", "flac": b"fLaC", "wav": b"RIFF"}


def speak(world: World, **options: object) -> object:
    request = {"model": "sim-tts", "voice": "alloy", "input": TEXT} | options
    return world.client.audio.speech.create(**request)


@check
def every_format_is_spoken(world: World) -> None:
    for form in ["mp3", "opus", "aac", "flac", "wav", "pcm"]:
        audio = speak(world, response_format=form).content
        assert len(audio) > 4_000, f"{form}: {len(audio)} bytes"
        if form in BEGINNINGS:
            assert audio.startswith(BEGINNINGS[form]), (form, audio[:4])
        if form in ("mp3", "aac"):
            assert audio[0] == 0xFF and audio[1] & 0xE0 == 0xE0, (form, audio[:4])
    call = world.calls()[-1]
    equal((call["purpose"], call["usage"]["spoken_chars"]), ("speech", len(TEXT)))


@check
def speech_is_streamed(world: World) -> None:
    whole = speak(world, response_format="pcm").content
    request = world.client.audio.speech.with_streaming_response
    with request.create(model="sim-tts", voice="alloy", input=TEXT, response_format="pcm") as answer:
        pieces = list(answer.iter_bytes(2_048))
    assert len(pieces) > 3
    equal(b"".join(pieces), whole)


@check
def speech_comes_as_events(world: World) -> None:
    request = world.client.audio.speech.with_streaming_response
    with request.create(model="sim-tts", voice="nova", input=TEXT, stream_format="sse") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert '"speech.audio.delta"' in lines[0] and '"speech.audio.done"' in lines[-1]


@check
def speed_changes_its_length_and_voices_differ(world: World) -> None:
    def length(**options: object) -> int:
        return len(speak(world, response_format="pcm", **options).content)

    assert length(speed=2.0) < length() < length(speed=0.5)
    assert speak(world, response_format="pcm", voice="onyx").content != speak(world, response_format="pcm").content
    assert length(input="안녕하세요, 모의 음성입니다.", instructions="calmly") > 12_000


@check
def what_cannot_be_spoken_is_refused(world: World) -> None:
    for parameter, value in [("voice", "nobody"), ("input", "x" * 4_097), ("input", ""), ("response_format", "midi"), ("speed", 9)]:
        error = raises(openai.BadRequestError, lambda: speak(world, **{parameter: value}))
        equal(error.param, parameter)
