"""Judges beside each other: a Markdown table of `diversity-eval score` outputs over the same responses.

    python docs/runs/judge/compare.py REFERENCE [OTHER ...]

Each argument is an output folder with one results file. The last two columns compare each response's expected
rating with the reference's: the share that differs by more than 0.01, and the largest difference.
"""

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = (
    "run", "backend", "mode", "weights", "responses", "unscored", "quality, stories", "quality, prompts",
    "expected, stories", "expected, prompts", "apart by > 0.01", "most apart",
)  # fmt: skip


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (results_file,) = folder.glob("*/results_*.json")
    rows = []
    for path in sorted(folder.glob("*/samples_*.jsonl")):
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return json.loads(results_file.read_text(encoding="utf-8")), rows


def value(results: dict[str, Any], task: str, name: str) -> str:
    found = results["results"][task].get(f"{name},none")
    error = results["results"][task].get(f"{name}_stderr,none")
    if not isinstance(found, float) or found != found:
        return "none"
    return f"{found:.2f} ± {error:.2f}" if isinstance(error, float) else f"{found:.2f}"


def expected(rows: list[dict[str, Any]]) -> list[float | None]:
    return [each for row in rows for each in row.get("expected_ratings", [])]


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:]]
    if not folders:
        sys.exit(__doc__)
    reference = expected(read(folders[0])[1])
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for folder in folders:
        results, rows = read(folder)
        judge = next(iter(results["configs"].values()))["metadata"]["diversity_eval"]["scored"]["judge"]
        ratings = [rating for row in rows for rating in row["ratings"]]
        weights = judge["quantization"] if judge["quantization"] != "none" else judge["dtype"]
        stories, prompts = sorted(results["results"])  # short_stories_base, small_prompts_base
        own = expected(rows)
        pairs = [
            abs(a - b)
            for a, b in zip(own, reference, strict=len(own) == len(reference))
            if a is not None and b is not None
        ]
        apart = f"{sum(d > 0.01 for d in pairs) / len(pairs):.0%}" if pairs else ""
        cells = [
            folder.name, judge["backend"], judge["mode"], weights, str(len(ratings)),
            str(sum(rating is None for rating in ratings)),
            value(results, stories, "quality"), value(results, prompts, "quality"),
            value(results, stories, "quality_expected"), value(results, prompts, "quality_expected"),
            apart, f"{max(pairs):.1g}" if pairs else "",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
