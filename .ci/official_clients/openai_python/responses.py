"""The Responses API: plain, streamed, searching, calling functions, with a schema."""

import json

import openai
from pydantic import BaseModel

from .harness import World, check, equal, raises

SEARCH = {
    "tools": [{"type": "web_search"}],
    "include": ["web_search_call.action.sources", "web_search_call.results"],
}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "additionalProperties": False,
        "required": ["city"],
        "properties": {"city": {"type": "string", "maxLength": 20}},
    },
}


class Plan(BaseModel):
    title: str
    days: list[int]


def ask(world: World, text: str = "hello there", **options: object) -> object:
    return world.client.responses.create(model="sim-large", input=text, **options)


@check
def plain(world: World) -> None:
    response = ask(world, instructions="be brief", metadata={"call_id": "call_7"})
    equal((response.status, response.instructions), ("completed", "be brief"))
    assert "simulated" in response.output_text
    equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens)
    call = world.calls()[-1]
    equal((call["call_id"], call["usage"]["input_tokens"]), ("call_7", response.usage.input_tokens))


@check
def streamed(world: World) -> None:
    events = list(ask(world, stream=True))
    equal([event.sequence_number for event in events], list(range(len(events))))
    kinds = list(dict.fromkeys(event.type for event in events))
    equal(kinds, [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ])
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    equal(text, events[-1].response.output_text)
    items = {event.item_id for event in events if hasattr(event, "item_id")}
    equal(items, {events[-1].response.output[0].id})


@check
def a_search_is_listed_cited_and_billed(world: World) -> None:
    response = ask(world, **SEARCH)
    search, message = response.output
    equal((search.type, search.status, search.action.type), ("web_search_call", "completed", "search"))
    urls = [source.url for source in search.action.sources]
    assert urls and all(url.startswith("https://example.") for url in urls)
    results = search.model_extra["results"]
    equal([result["url"] for result in results], urls)
    assert all(result["title"] and result["snippet"] for result in results)
    equal([citation.url for citation in message.content[0].annotations], urls)
    equal(world.calls()[-1]["search_urls"], urls)
    events = [event.type for event in ask(world, stream=True, **SEARCH)]
    for kind in ["in_progress", "searching", "completed"]:
        assert f"response.web_search_call.{kind}" in events


@check
def a_pydantic_model_is_parsed(world: World) -> None:
    response = world.client.responses.parse(model="sim-large", input="a plan", text_format=Plan)
    assert isinstance(response.output_parsed, Plan)
    equal(world.calls()[-1]["schema"], "Plan")
    with world.client.responses.stream(model="sim-large", input="a plan", text_format=Plan) as stream:
        for _ in stream:
            pass
        equal(stream.get_final_response().output_parsed, response.output_parsed)


@check
def a_function_is_called_and_its_answer_used(world: World) -> None:
    first = ask(world, "What is the weather?", tools=[WEATHER])
    call = first.output[0]
    equal((call.type, call.name, call.status), ("function_call", "get_weather", "completed"))
    assert set(json.loads(call.arguments)) == {"city"}
    answer = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny, 21"}
    second = world.client.responses.create(
        model="sim-large", input=[answer], previous_response_id=first.id, tools=[WEATHER]
    )
    assert "sunny, 21" in second.output_text, second.output_text
    stateless = [{"role": "user", "content": "What is the weather?"}, call.model_dump(exclude_none=True), answer]
    equal(world.client.responses.create(model="sim-large", input=stateless, tools=[WEATHER], store=False).output_text,
          second.output_text)


@check
def a_streamed_call_adds_up(world: World) -> None:
    events = list(ask(world, "weather?", tools=[WEATHER], tool_choice="required", stream=True))
    arguments = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    equal([event.arguments for event in done], [arguments])
    equal(events[-1].response.output[0].arguments, arguments)


@check
def tool_choice_is_obeyed(world: World) -> None:
    def kinds(choice: object) -> list[str]:
        return [item.type for item in ask(world, "weather?", tools=[WEATHER], tool_choice=choice).output]

    equal(kinds("none"), ["message"])
    equal(kinds("auto"), ["function_call"])
    equal(kinds({"type": "function", "name": "get_weather"}), ["function_call"])


@check
def a_limit_leaves_it_incomplete(world: World) -> None:
    response = ask(world, "tell me everything that there is to be told about it", max_output_tokens=16)
    equal((response.status, response.incomplete_details.reason), ("incomplete", "max_output_tokens"))
    error = raises(openai.BadRequestError, lambda: ask(world, max_output_tokens=3))
    equal(error.param, "max_output_tokens")


@check
def a_refusal_is_one(world: World) -> None:
    world.fault({"kind": "refusal"}, times=2)
    content = ask(world).output[0].content[0]
    equal(content.type, "refusal")
    events = list(ask(world, stream=True))
    equal("".join(event.delta for event in events if event.type == "response.refusal.delta"), content.refusal)


@check
def what_is_unsupported_is_refused_by_name(world: World) -> None:
    for parameter, value in [("conversation", "conv_1"), ("top_logprobs", 2), ("include", ["message.output_text.logprobs"]),
                             ("tools", [{"type": "file_search", "vector_store_ids": ["vs_1"]}])]:
        error = raises(openai.BadRequestError, lambda: ask(world, **{parameter: value}))
        equal(error.param, parameter)
