"""Runs of three prompts, their classes and scores, and what is on disk, for tests of NoveltyBench's files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diversity_eval.logs import LeaderboardPrompt, LoggedRun, read_logs

RESPONSES = [["Ash.", "Birch.", "An ash tree."], ["Oak.", "Elm.", "Fir."], ["Yew.", "Yew!", "A yew."]]
CLASSES = [[0, 1, 0], [0, 1, 2], [0, 0, 0]]
SCORES = [[7, 3, 6], [1, 10, 4], [5, 5, 2]]


def logged(
    folder: Path,
    responses: Sequence[Any] = RESPONSES,
    *,
    ids: Sequence[Any] | None = None,
    model: str | None = "org/m",
    name: str = "generations.jsonl",
) -> LoggedRun:
    rows = [
        {
            "id": ids[i] if ids else f"curated-{i}",
            "prompt": f"Tree {i}?",
            "model": model,
            "generations": texts,
        }
        for i, texts in enumerate(responses)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="ascii")
    (run,) = read_logs([path])
    return run


def judged(
    run: LoggedRun, classes: Sequence[Any] = CLASSES, scores: Sequence[Any] | None = SCORES
) -> list[LeaderboardPrompt]:
    given = scores if scores is not None else [None] * len(run.prompts)
    return [LeaderboardPrompt.of(*each) for each in zip(run.prompts, classes, given, strict=True)]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def summary_of(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
