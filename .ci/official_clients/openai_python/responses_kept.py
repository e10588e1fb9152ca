"""Responses that are kept: looked up, gone on from, written in the background, cancelled, deleted."""

import openai

from .harness import World, check, equal, raises


@check
def a_response_is_kept_until_it_is_deleted(world: World) -> None:
    client = world.client
    made = client.responses.create(model="sim-large", input="remember me")
    equal(client.responses.retrieve(made.id), made)
    items = client.responses.input_items.list(made.id, order="asc").data
    equal([item.content[0].text for item in items], ["remember me"])
    client.responses.delete(made.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(made.id))
    raises(openai.NotFoundError, lambda: client.responses.delete(made.id))


@check
def one_that_is_not_stored_is_not_kept(world: World) -> None:
    made = world.client.responses.create(model="sim-large", input="forget me", store=False)
    raises(openai.NotFoundError, lambda: world.client.responses.retrieve(made.id))
    error = raises(
        openai.BadRequestError,
        lambda: world.client.responses.create(model="sim-large", input="and?", previous_response_id=made.id),
    )
    equal(error.code, "previous_response_not_found")


@check
def a_conversation_goes_on(world: World) -> None:
    client = world.client
    first = client.responses.create(model="sim-large", input="one")
    second = client.responses.create(model="sim-large", input="two", previous_response_id=first.id)
    equal(second.previous_response_id, first.id)
    assert second.usage.input_tokens > first.usage.input_tokens
    equal(len(client.responses.input_items.list(second.id).data), 3)


@check
def a_background_response_is_polled(world: World) -> None:
    client = world.client
    made = client.responses.create(model="sim-large", input="take your time", background=True)
    equal(made.status, "queued")
    equal(world.calls()[-1]["outcome"], "completed")
    done = client.responses.retrieve(made.id)
    equal((done.status, done.background), ("completed", True))
    assert done.output_text


@check
def a_background_stream_is_taken_up_again(world: World) -> None:
    client = world.client
    seen = []
    with client.responses.create(model="sim-large", input="go on", background=True, stream=True) as stream:
        for event in stream:
            seen.append(event)
            if len(seen) == 7:
                break
    equal([event.type for event in seen[:3]], ["response.created", "response.queued", "response.in_progress"])
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number))
    events = seen + rest
    equal([event.sequence_number for event in events], list(range(len(events))))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    equal(text, events[-1].response.output_text)


@check
def a_background_response_is_cancelled(world: World) -> None:
    client = world.client
    world.fault({"kind": "hang", "after_chars": 10})
    made = client.responses.create(model="sim-large", input="never", background=True)
    equal(client.responses.cancel(made.id).status, "cancelled")
    equal(client.responses.retrieve(made.id).status, "cancelled")


@check
def only_background_responses_are_cancelled_or_streamed_again(world: World) -> None:
    client = world.client
    made = client.responses.create(model="sim-large", input="done")
    raises(openai.BadRequestError, lambda: client.responses.cancel(made.id))
    raises(openai.BadRequestError, lambda: client.responses.retrieve(made.id, stream=True))
    raises(
        openai.BadRequestError,
        lambda: client.responses.create(model="sim-large", input="x", background=True, store=False),
    )
