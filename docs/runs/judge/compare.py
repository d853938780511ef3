"""Judges beside each other: a Markdown table of `diversity-eval score` outputs over the same responses.

    python docs/runs/judge/compare.py FOLDER [FOLDER ...]

Each argument is an output folder with one results file. The last two columns compare with the first run of
the same mode: the share of responses with the same rating (unscored in both counts), and the largest
difference of expected ratings.
"""

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = (
    "run", "backend", "mode", "weights", "responses", "unscored", "quality, stories", "quality, prompts",
    "expected, stories", "expected, prompts", "same rating", "expected, most apart",
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
    first: dict[str, tuple[list[int | None], list[float | None]]] = {}
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for folder in folders:
        results, rows = read(folder)
        judge = next(iter(results["configs"].values()))["metadata"]["diversity_eval"]["scored"]["judge"]
        ratings = [rating for row in rows for rating in row["ratings"]]
        weights = judge["quantization"] if judge["quantization"] != "none" else judge["dtype"]
        weights = "as served" if judge["backend"] == "server" else weights
        stories, prompts = sorted(results["results"])  # short_stories_base, small_prompts_base
        own = (ratings, expected(rows))
        reference = first.setdefault(judge["mode"], own)
        same = [a == b for a, b in zip(ratings, reference[0], strict=True)]
        pairs = zip(own[1], reference[1], strict=True)
        apart = [abs(a - b) for a, b in pairs if a is not None and b is not None]
        cells = [
            folder.name, judge["backend"], judge["mode"], weights, str(len(ratings)),
            str(sum(rating is None for rating in ratings)),
            value(results, stories, "quality"), value(results, prompts, "quality"),
            value(results, stories, "quality_expected"), value(results, prompts, "quality_expected"),
            f"{sum(same) / len(same):.1%}", f"{max(apart):.1g}" if apart else "",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
