"""Chat completions: plain, streamed, with functions, with a schema, refused and cut."""

import json
from typing import Literal

import openai
from pydantic import BaseModel

from .harness import World, check, equal, raises

HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "required": ["city", "unit"],
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
        },
    },
}


class Signal(BaseModel):
    signal: str
    impact: Literal["low", "high"]


class Research(BaseModel):
    signals: list[Signal]
    score: float
    note: str | None


@check
def plain(world: World) -> None:
    completion = world.client.chat.completions.create(model="sim-large", messages=HELLO)
    choice = completion.choices[0]
    assert "simulated" in choice.message.content
    equal(choice.finish_reason, "stop")
    assert completion._request_id.startswith("req_")
    call = world.calls()[-1]
    equal((call["api"], call["purpose"], call["outcome"]), ("chat", "text", "completed"))
    equal(call["usage"]["input_tokens"], completion.usage.prompt_tokens)
    equal(call["usage"]["output_tokens"], completion.usage.completion_tokens)


@check
def every_answer_has_openais_headers(world: World) -> None:
    answer = world.client.chat.completions.with_raw_response.create(model="sim-large", messages=HELLO)
    for header in ["x-request-id", "openai-processing-ms", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
                   "x-ratelimit-reset-requests", "x-ratelimit-limit-tokens"]:
        assert answer.headers.get(header), header
    assert "access-control-allow-origin" not in answer.headers


@check
def streamed_with_usage(world: World) -> None:
    whole = world.client.chat.completions.create(model="sim-large", messages=HELLO)
    stream = world.client.chat.completions.create(
        model="sim-large", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    equal(text, whole.choices[0].message.content)
    equal([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], "stop")
    equal(chunks[-1].usage, whole.usage)
    equal(len({chunk.id for chunk in chunks}), 1)


@check
def the_packages_own_stream_reader_agrees(world: World) -> None:
    with world.client.chat.completions.stream(model="sim-large", messages=HELLO, response_format=Research) as stream:
        kinds = {event.type for event in stream}
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert {"content.delta", "content.done"} <= kinds, kinds
    assert isinstance(parsed, Research)


@check
def a_function_is_called_and_its_answer_used(world: World) -> None:
    messages = [{"role": "user", "content": "What is the weather in Seoul?"}]
    first = world.client.chat.completions.create(model="sim-large", messages=messages, tools=[WEATHER])
    equal(first.choices[0].finish_reason, "tool_calls")
    message = first.choices[0].message
    equal(message.content, None)
    call = message.tool_calls[0]
    equal(call.function.name, "get_weather")
    arguments = json.loads(call.function.arguments)
    assert set(arguments) == {"city", "unit"} and arguments["unit"] in ("c", "f"), arguments
    messages += [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21"}]
    second = world.client.chat.completions.create(model="sim-large", messages=messages, tools=[WEATHER])
    assert "sunny, 21" in second.choices[0].message.content, second.choices[0].message.content


@check
def tool_choice_is_obeyed(world: World) -> None:
    def called(choice: object) -> list[str]:
        completion = world.client.chat.completions.create(
            model="sim-large", messages=HELLO, tools=[WEATHER], tool_choice=choice
        )
        return [call.function.name for call in completion.choices[0].message.tool_calls or []]

    equal(called("auto"), [])
    equal(called("none"), [])
    equal(called("required"), ["get_weather"])
    equal(called({"type": "function", "function": {"name": "get_weather"}}), ["get_weather"])


@check
def a_streamed_call_adds_up(world: World) -> None:
    messages = [{"role": "user", "content": "weather?"}]
    whole = world.client.chat.completions.create(model="sim-large", messages=messages, tools=[WEATHER])
    stream = world.client.chat.completions.create(model="sim-large", messages=messages, tools=[WEATHER], stream=True)
    deltas = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    equal(deltas[0].function.name, "get_weather")
    arguments = "".join(delta.function.arguments for delta in deltas)
    equal(arguments, whole.choices[0].message.tool_calls[0].function.arguments)


@check
def a_pydantic_model_is_parsed(world: World) -> None:
    completion = world.client.chat.completions.parse(model="sim-large", messages=HELLO, response_format=Research)
    message = completion.choices[0].message
    assert isinstance(message.parsed, Research) and message.parsed.signals
    equal(message.refusal, None)


@check
def a_refusal_is_one(world: World) -> None:
    world.fault({"kind": "refusal"}, times=2)
    completion = world.client.chat.completions.parse(model="sim-large", messages=HELLO, response_format=Research)
    message = completion.choices[0].message
    equal((message.content, message.parsed), (None, None))
    assert message.refusal
    stream = world.client.chat.completions.create(model="sim-large", messages=HELLO, stream=True)
    equal("".join(chunk.choices[0].delta.refusal or "" for chunk in stream), message.refusal)


@check
def a_limit_ends_the_reply(world: World) -> None:
    completion = world.client.chat.completions.create(model="sim-large", messages=HELLO, max_completion_tokens=3)
    equal(completion.choices[0].finish_reason, "length")
    equal(completion.usage.completion_tokens, 3)
    raises(
        openai.LengthFinishReasonError,
        lambda: world.client.chat.completions.parse(
            model="sim-large", messages=HELLO, response_format=Research, max_completion_tokens=3
        ),
    )


@check
def a_stop_ends_the_reply(world: World) -> None:
    completion = world.client.chat.completions.create(model="sim-large", messages=HELLO, stop=["reply"])
    assert "reply" not in completion.choices[0].message.content
    equal(completion.choices[0].finish_reason, "stop")


@check
def what_is_unsupported_is_refused_by_name(world: World) -> None:
    for parameter, value in [("n", 2), ("logprobs", True), ("logit_bias", {"1": 1}), ("modalities", ["text", "audio"])]:
        error = raises(
            openai.BadRequestError,
            lambda: world.client.chat.completions.create(model="sim-large", messages=HELLO, **{parameter: value}),
        )
        equal((error.param, error.type), (parameter, "invalid_request_error"))
    error = raises(
        openai.BadRequestError,
        lambda: world.client.chat.completions.create(model="sim-large", messages=HELLO, extra_body={"colour": "red"}),
    )
    equal((error.param, error.code), ("colour", "unknown_parameter"))


@check
def a_schema_outside_the_subset_is_refused(world: World) -> None:
    schema = {"type": "object", "additionalProperties": False, "required": ["a"],
              "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
    error = raises(
        openai.BadRequestError,
        lambda: world.client.chat.completions.create(model="sim-large", messages=HELLO, response_format=form),
    )
    assert "uniqueItems" in error.message, error.message
