"""The two subsets of NoveltyBench: how tasks, folders and ids of prompts tell which one a file is of."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

__all__ = ["FOLDERS", "TASKS", "Subset", "prompts_of", "subset_of_ids", "subset_of_path", "subset_of_task"]

Subset = Literal["curated", "wildchat"]

FOLDERS: Mapping[Subset, str] = {"curated": "nb-curated", "wildchat": "nb-wildchat"}
"""The benchmark's folders."""

TASKS: Mapping[Subset, str] = {"curated": "novelty_bench", "wildchat": "novelty_bench_wildchat"}
"""This project's tasks; those for base checkpoints have a longer name."""

_IDS: Mapping[Subset, str] = {"curated": "curated-", "wildchat": "wildchat"}
_VERSION_FOLDER = re.compile(r"v[0-9]+(\.[0-9]+)*")


def subset_of_ids(ids: Iterable[object]) -> Subset | None:
    """The subset that all ids are of, or None: `curated-7` and `WildChat-...` are the benchmark's."""
    names = [str(name).lower() for name in ids]
    return next(
        (subset for subset, start in _IDS.items() if names and all(name.startswith(start) for name in names)),
        None,
    )


def subset_of_path(path: Path) -> Subset | None:
    """The subset by a file's folder, in or above its version's folder (`nb-curated/v1.0/scores.jsonl`)."""
    folder = path.absolute().parent
    if _VERSION_FOLDER.fullmatch(folder.name):
        folder = folder.parent
    return next((subset for subset, name in FOLDERS.items() if folder.name == name), None)


def subset_of_task(task: str) -> Subset | None:
    """The subset of one of this project's tasks; None for other tasks."""
    if not (task == TASKS["curated"] or task.startswith(TASKS["curated"] + "_")):
        return None
    return "wildchat" if task.startswith(TASKS["wildchat"]) else "curated"


def prompts_of(task: str) -> int | None:
    """The number of prompts in the subset of one of this project's tasks; None for other tasks."""
    subset = subset_of_task(task)
    return None if subset is None else {"curated": 100, "wildchat": 1000}[subset]
