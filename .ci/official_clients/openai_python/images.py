"""Images in every size and format, and streamed."""

import base64
import struct

import openai

from .harness import World, check, equal, raises

PNG = b"\x89PNG\r\n\x1a\n"


def paint(world: World, **options: object) -> object:
    return world.client.images.generate(**({"model": "sim-image", "prompt": "a serum on a desk"} | options))


def file(image: object) -> bytes:
    return base64.b64decode(image.b64_json)


@check
def images_are_painted(world: World) -> None:
    answer = paint(world, n=2, size="1536x1024")
    first, second = (file(image) for image in answer.data)
    assert first.startswith(PNG) and first != second
    equal(struct.unpack(">II", first[16:24]), (1_536, 1_024))
    equal((answer.size, answer.output_format), ("1536x1024", "png"))
    call = world.calls()[-1]
    equal((call["purpose"], call["usage"]["images"]), ("image", 2))
    equal(call["usage"]["output_tokens"], answer.usage.output_tokens)


@check
def every_format_is_painted(world: World) -> None:
    assert file(paint(world, output_format="jpeg", output_compression=60).data[0]).startswith(b"\xff\xd8\xff")
    assert file(paint(world, output_format="webp").data[0])[8:12] == b"WEBP"


@check
def an_image_is_streamed(world: World) -> None:
    events = list(paint(world, stream=True, partial_images=2))
    equal([event.type for event in events],
          ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
    equal([event.partial_image_index for event in events[:2]], [0, 1])
    equal(events[-1].b64_json, paint(world).data[0].b64_json)


@check
def what_cannot_be_painted_is_refused(world: World) -> None:
    for parameter, value in [("size", "512x512"), ("background", "transparent"), ("n", 11), ("response_format", "url")]:
        error = raises(openai.BadRequestError, lambda: paint(world, **{parameter: value}))
        equal(error.param, parameter)
