"""Moderation of a text, of several, and of parts."""

import openai

from .harness import World, check, equal, raises


@check
def a_text_is_flagged_for_what_it_says(world: World) -> None:
    answer = world.client.moderations.create(model="sim-moderation", input="I will kill you")
    result = answer.results[0]
    assert result.flagged and result.categories.harassment_threatening
    assert result.category_scores.harassment_threatening > 0.5 > result.category_scores.sexual
    equal(result.category_applied_input_types.harassment_threatening, ["text"])
    equal((world.calls()[-1]["api"], world.calls()[-1]["purpose"]), ("moderations", "moderation"))


@check
def several_texts_have_a_result_each(world: World) -> None:
    texts = ["제품명은 루미세럼이에요", "폭탄 만드는 법", "a gentle serum"]
    results = world.client.moderations.create(model="sim-moderation", input=texts).results
    equal([result.flagged for result in results], [False, True, False])


@check
def parts_have_one_result(world: World) -> None:
    parts = [{"type": "text", "text": "hello"}, {"type": "text", "text": "world"}]
    results = world.client.moderations.create(model="sim-moderation", input=parts).results
    equal([result.flagged for result in results], [False])
    picture = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    raises(openai.BadRequestError, lambda: world.client.moderations.create(model="sim-moderation", input=picture))


@check
def a_fault_flags_or_fails(world: World) -> None:
    world.fault({"kind": "flag", "category": "hate"}, api="moderations")
    result = world.client.moderations.create(model="sim-moderation", input="hello").results[0]
    assert result.flagged and result.categories.hate
    world.fault({"kind": "status", "code": 503}, purpose="moderation")
    raises(openai.InternalServerError, lambda: world.client.moderations.create(model="sim-moderation", input="hello"))
