"""Prints the share of lines that ran, by crate, and fails below the minima.

Arguments: summary of `llvm-cov export`, root of the repository, minimum overall, minimum by crate, the crates that it holds for.
"""

import json
import os
import sys
from collections import defaultdict

OVERALL = "overall"


def main() -> int:
    summary_path, root, overall_min, crate_min, *crates_with_min = sys.argv[1:]
    with open(summary_path, encoding="utf-8") as summary_file:
        files = json.load(summary_file)["data"][0]["files"]
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file in files:
        crate = os.path.relpath(file["filename"], root).split(os.sep)[0]
        for name in (crate, OVERALL):
            lines[name][0] += file["summary"]["lines"]["covered"]
            lines[name][1] += file["summary"]["lines"]["count"]
    minima = {crate: float(crate_min) for crate in crates_with_min} | {OVERALL: float(overall_min)}
    too_low = [crate for crate in minima if crate not in lines]
    for crate, (covered, count) in sorted(lines.items()):
        percent = 100 * covered / max(count, 1)
        minimum = minima.get(crate)
        mark = "" if minimum is None else f"  (at least {minimum:.0f})"
        print(f"{crate:<12} {covered:>7} of {count:>7} lines  {percent:5.1f} %{mark}")
        if minimum is not None and percent < minimum:
            too_low.append(crate)
    if too_low:
        print(f"coverage is too low: {', '.join(too_low)}", file=sys.stderr)
    return 1 if too_low else 0


if __name__ == "__main__":
    sys.exit(main())
