"""Transcription in real time: a session, an utterance with its words, and what is refused."""

import base64
import math
from typing import Any

import miniaudio

from .harness import World, check, equal

RATE_HZ = 24_000
FRAME_BYTES = RATE_HZ // 50 * 2


def speech(world: World) -> bytes:
    """The recording that the other checks transcribe, as it is streamed."""
    path = sorted(world.utterances.glob("*.flac"))[0]
    decoded = miniaudio.decode_file(str(path), output_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=RATE_HZ)
    return decoded.samples.tobytes()


def connect(world: World, **options: Any) -> Any:
    client = options.pop("client", world.client)
    return client.realtime.connect(**({"extra_query": {"intent": "transcription"}} | options))


def set_up(connection: Any, model: str, **transcription: Any) -> Any:
    equal(connection.recv().type, "session.created")
    settings = {"format": {"type": "audio/pcm", "rate": RATE_HZ}, "transcription": {"model": model, **transcription},
                "turn_detection": None}
    connection.session.update(session={"type": "transcription", "audio": {"input": settings}})
    updated = connection.recv()
    equal(updated.type, "session.updated")
    return updated.session


def say(connection: Any, speech: bytes) -> None:
    for start in range(0, len(speech), FRAME_BYTES):
        audio = base64.b64encode(speech[start:start + FRAME_BYTES]).decode()
        connection.input_audio_buffer.append(audio=audio)


def item(connection: Any) -> list[Any]:
    """Everything until a transcript is complete or has failed."""
    events = []
    while not events or not events[-1].type.endswith((".completed", ".failed")):
        events.append(connection.recv())
    return events


def told(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type.endswith(".delta"))


@check
def words_come_while_they_are_said(world: World) -> None:
    said = speech(world)
    with connect(world) as connection:
        session = set_up(connection, "sim-live-transcribe", delay="low", languages=["en"])
        equal((session.type, session.audio.input.transcription.model), ("transcription", "sim-live-transcribe"))
        say(connection, said)
        first = connection.recv()
        equal(first.type, "conversation.item.input_audio_transcription.delta")
        connection.input_audio_buffer.commit(event_id="call_1")
        events = [first, *item(connection)]
    completed = events[-1]
    equal(completed.type, "conversation.item.input_audio_transcription.completed")
    equal(told(events), completed.transcript)
    assert completed.transcript, "nothing was recognised"
    equal((completed.usage.type, completed.usage.seconds), ("duration", math.ceil(len(said) / 2 / RATE_HZ)))
    made = [event for event in events if not event.type.endswith((".delta", ".completed"))]
    equal([event.type for event in made],
          ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"])
    equal({made[0].item_id, made[1].item.id, made[2].item.id, completed.item_id}, {first.item_id})
    call = world.calls()[-1]
    equal((call["call_id"], call["api"], call["outcome"]), ("call_1", "realtime", "completed"))


@check
def other_models_wait_for_the_commit(world: World) -> None:
    said = speech(world)
    for model, usage in [("sim-transcribe", "tokens"), ("sim-whisper", "duration")]:
        with connect(world) as connection:
            set_up(connection, model)
            say(connection, said)
            connection.input_audio_buffer.commit()
            events = item(connection)
        equal(events[0].type, "input_audio_buffer.committed")
        equal((told(events), events[-1].usage.type), (events[-1].transcript, usage))


@check
def what_cannot_be_done_is_an_error_event(world: World) -> None:
    with connect(world) as connection:
        set_up(connection, "sim-live-transcribe")
        connection.input_audio_buffer.commit(event_id="too_early")
        refused = connection.recv()
        equal((refused.type, refused.error.code, refused.error.event_id),
              ("error", "input_audio_buffer_commit_empty", "too_early"))
        connection.input_audio_buffer.append(audio="%%%")
        equal(connection.recv().error.param, "audio")
        connection.response.create()
        equal(connection.recv().error.code, "invalid_value")
        connection.input_audio_buffer.clear()
        equal(connection.recv().type, "input_audio_buffer.cleared")
    with connect(world, client=world.new_client(api_key="wrong-key")) as connection:
        equal(connection.recv().error.code, "invalid_api_key")
    with connect(world, model="gpt-realtime", extra_query={}) as connection:
        equal(connection.recv().error.code, "invalid_model")


@check
def a_transcription_can_fail(world: World) -> None:
    world.fault({"kind": "fail_transcription"}, api="realtime")
    with connect(world) as connection:
        set_up(connection, "sim-live-transcribe")
        say(connection, bytes(RATE_HZ))
        connection.input_audio_buffer.commit(event_id="call_2")
        failed = item(connection)[-1]
    equal((failed.type, failed.error.code),
          ("conversation.item.input_audio_transcription.failed", "audio_unintelligible"))
    equal(world.calls()[-1]["outcome"], "faulted")
