"""The world that checks run in: a client, the simulator's own routes, and the list of checks."""

import json
import urllib.request
from pathlib import Path
from typing import Any, Callable

import openai

KEY = "sim-key"
CHECKS: list[Callable[["World"], None]] = []


def check(function: Callable[["World"], None]) -> Callable[["World"], None]:
    """Adds a function to the list of checks."""
    CHECKS.append(function)
    return function


class World:
    def __init__(self, url: str, utterances: Path) -> None:
        self.url = url
        self.utterances = utterances
        self.client = self.new_client()

    def new_client(self, **options: Any) -> openai.OpenAI:
        defaults: dict[str, Any] = {"api_key": KEY, "base_url": f"{self.url}/v1", "max_retries": 0, "timeout": 30.0}
        return openai.OpenAI(**(defaults | options))

    def control(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=data)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def reset(self) -> None:
        self.control("reset", {})

    def fault(self, fault: dict[str, Any], times: Any = 1, **match: Any) -> None:
        self.control("faults", [{"match": match, "fault": fault, "times": times}])

    def calls(self) -> list[dict[str, Any]]:
        return self.control("bill?idle_within_ms=5000")["calls"]


def equal(left: Any, right: Any) -> None:
    assert left == right, f"{left!r} is not {right!r}"


def raises(kind: type[openai.OpenAIError], call: Callable[[], Any]) -> Any:
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
