"""The errors that the package raises, and what it does about them by itself."""

import json
import urllib.error
import urllib.request

import openai

from .harness import World, check, equal, raises


def ask(client: openai.OpenAI, **options: object) -> object:
    return client.responses.create(**({"model": "sim-large", "input": "hello"} | options))


@check
def models_are_listed(world: World) -> None:
    names = [model.id for model in world.client.models.list()]
    assert {"sim-large", "sim-small"} <= set(names)
    equal(world.client.models.retrieve("sim-large").id, "sim-large")
    error = raises(openai.NotFoundError, lambda: world.client.models.retrieve("gpt-5"))
    equal(error.code, "model_not_found")


@check
def a_wrong_key_is_refused_everywhere(world: World) -> None:
    client = world.new_client(api_key="wrong-key")
    error = raises(openai.AuthenticationError, lambda: ask(client))
    equal(error.code, "invalid_api_key")
    assert "wrong-key" not in error.message
    for call in [
        lambda: client.models.list(),
        lambda: client.moderations.create(input="x"),
        lambda: client.images.generate(prompt="x"),
        lambda: client.audio.speech.create(model="sim-tts", voice="alloy", input="x"),
        lambda: client.audio.transcriptions.create(model="sim-transcribe", file=("a.wav", b"x")),
        lambda: client.responses.retrieve("resp_1"),
    ]:
        raises(openai.AuthenticationError, call)


@check
def unknown_models_and_paths_are_not_found(world: World) -> None:
    equal(raises(openai.NotFoundError, lambda: ask(world.client, model="gpt-5")).code, "model_not_found")
    raises(openai.NotFoundError, lambda: world.client.embeddings.create(model="sim-large", input="x"))


@check
def a_rate_limit_says_when_to_come_back(world: World) -> None:
    world.fault({"kind": "status", "code": 429, "retry_after": 3})
    error = raises(openai.RateLimitError, lambda: ask(world.client))
    equal((error.code, error.response.headers["retry-after"]), ("rate_limit_exceeded", "3"))


@check
def the_package_retries_what_can_be_retried(world: World) -> None:
    for fault in [{"kind": "status", "code": 429, "retry_after": 1}, {"kind": "status", "code": 500},
                  {"kind": "disconnect_before_headers"}]:
        world.reset()
        world.fault(fault)
        equal(ask(world.new_client(max_retries=1)).status, "completed")
        equal([call["outcome"] for call in world.calls()], ["faulted", "completed"])


@check
def server_errors_are_raised(world: World) -> None:
    for code in [500, 502, 503]:
        world.fault({"kind": "status", "code": code})
        equal(raises(openai.InternalServerError, lambda: ask(world.client)).status_code, code)
    for code, kind in [(403, openai.PermissionDeniedError), (409, openai.ConflictError), (422, openai.UnprocessableEntityError)]:
        world.fault({"kind": "status", "code": code})
        raises(kind, lambda: ask(world.client))


@check
def a_hang_is_a_timeout(world: World) -> None:
    world.fault({"kind": "hang"})
    raises(openai.APITimeoutError, lambda: ask(world.new_client(timeout=0.5)))
    equal(world.calls()[-1]["outcome"], "faulted")


@check
def a_cut_is_seen(world: World) -> None:
    world.fault({"kind": "disconnect_before_headers"})
    raises(openai.APIConnectionError, lambda: ask(world.client))
    world.fault({"kind": "cut", "after_chars": 10})
    try:
        list(ask(world.client, stream=True))
    except Exception as error:  # The package hands on its transport's own error, whose library changes.
        assert isinstance(error, openai.APIConnectionError) or "ProtocolError" in type(error).__name__, repr(error)
        return
    raise AssertionError("the stream ended as if it were whole")


@check
def malformed_json_is_seen(world: World) -> None:
    world.fault({"kind": "malformed"}, times=2)
    for is_stream in [False, True]:
        try:
            answer = ask(world.client, stream=is_stream)
            answer = list(answer) if is_stream else answer.output_text
        except Exception:  # A broken document has no error of its own in the package.
            continue
        raise AssertionError(f"nothing was seen of it: {answer!r}")


def refused(world: World, body: bytes | None) -> tuple[int, str]:
    """The status and the error's type of a raw request."""
    headers = {"authorization": "Bearer sim-key"}
    request = urllib.request.Request(f"{world.url}/v1/responses", data=body, headers=headers)
    try:
        urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]["type"]
    raise AssertionError("the request was not refused")


@check
def a_body_that_is_no_json_and_a_wrong_method_are_refused(world: World) -> None:
    equal(refused(world, b"{"), (400, "invalid_request_error"))
    equal(refused(world, None), (405, "invalid_request_error"))
