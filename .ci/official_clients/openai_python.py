"""Runs every check of the official `openai` package against a simulator: openai_python.py URL UTTERANCES."""

import sys
import time
import traceback
from pathlib import Path

from openai_python import (
    chat, errors, harness, images, moderation, realtime, responses, responses_kept, speech, transcription,
)

MODULES = [chat, responses, responses_kept, moderation, speech, transcription, realtime, images, errors]


def main() -> int:
    world = harness.World(url=sys.argv[1], utterances=Path(sys.argv[2]))
    began = time.monotonic()
    failures = []
    for check in harness.CHECKS:
        world.reset()
        try:
            check(world)
        except Exception as error:  # A check fails by raising, whatever it raises.
            at = traceback.extract_tb(error.__traceback__)[-1]
            failures.append(f"{check.__module__}.{check.__name__}: {type(error).__name__}: {error} ({at.filename}:{at.lineno})")
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{len(harness.CHECKS) - len(failures)} of {len(harness.CHECKS)} checks of the openai package passed in {seconds:.1f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
