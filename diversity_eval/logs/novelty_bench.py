"""NoveltyBench's own files, as its leaderboard takes them, from any run.

`nb-curated/generations.jsonl`, `nb-curated/v1.0/{partitions.jsonl,scores.jsonl,summary.json}`, and the same
below `nb-wildchat`. `docs/reference/novelty-bench-files.md` has the fields, and what differs from what the
benchmark's scripts write.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from diversity_eval.data.writing import encode_rows, replacing, write_text
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.logs.novelty_existing import check_models, is_there
from diversity_eval.logs.novelty_subsets import FOLDERS, Subset, subset_of_ids, subset_of_task
from diversity_eval.metrics.novelty import UNKNOWN, distinct, is_known, representatives, utility

__all__ = ["VERSIONS", "LeaderboardPrompt", "check_leaderboard", "write_leaderboard"]

VERSIONS = ("1.0", "1.1")
"""The versions of the benchmark's metric."""

_GENERATIONS = ("id", "prompt", "model", "generations")
_PARTITIONS = (*_GENERATIONS, "partition", "distinct")
_SCORES = (*_PARTITIONS, "generation_scores", "partition_scores", "utility")


@dataclass(frozen=True, slots=True)
class LeaderboardPrompt:
    """What the leaderboard's files say of one prompt; None where something is not known.

    Attributes:
        id: the benchmark's, such as `curated-7`.
        prompt: the bare prompt.
        generations: the responses whose classes these are.
        partition: the class of each response.
        distinct: the number of classes.
        generation_scores: a score for each response, those of class representatives at least.
        partition_scores: a score for each class.
        utility: Utility-K.
        unscored: why something is not known, for the row's field of that name.
    """

    id: str | int | float | None
    prompt: str
    generations: Sequence[str]
    partition: Sequence[int] | None = None
    distinct: int | None = None
    generation_scores: Sequence[float | None] | None = None
    partition_scores: Sequence[float | None] | None = None
    utility: float | None = None
    unscored: str | None = None

    @classmethod
    def of(
        cls,
        prompt: LoggedPrompt,
        partition: Sequence[int] | None,
        scores: Sequence[float | None] | None = None,
        *,
        unscored: str | None = None,
    ) -> "LeaderboardPrompt":
        """From the classes and scores of a prompt's cleaned responses.

        Args:
            prompt: with its responses.
            partition: the class of each; None, or with `UNKNOWN` in it, if it is not known.
            scores: of each response, at least of those that open a class; None without a scorer.
            unscored: why something is not known.

        Raises:
            DiversityEvalError: another number of scores than of responses.
        """
        known = list(partition) if partition and is_known(partition) else None
        value = utility(known, scores) if known is not None and scores is not None else math.nan
        heads = representatives(known) if known is not None else []
        return cls(
            id=prompt.id,
            prompt=prompt.prompt,
            generations=prompt.responses,
            partition=known,
            distinct=distinct(known) if known is not None else None,
            generation_scores=scores,
            partition_scores=None if known is None or scores is None else [scores[place] for place in heads],
            utility=value if math.isfinite(value) else None,
            unscored=unscored,
        )


def check_leaderboard(output: Path, run: LoggedRun) -> Path:
    """Refuse what `write_leaderboard` would refuse of a run before its responses are judged.

    Returns:
        The subset's folder.

    Raises:
        DiversityEvalError: ids that are missing or occur twice, no subset, files of another model or of other
            responses.
    """
    ids = [prompt.id for prompt in run.prompts]
    _check_ids(run.path, ids)
    folder = output / FOLDERS[_subset(run, ids, None)]
    check_models(output, run.model)
    rows = [
        {"id": p.id, "prompt": p.prompt, "model": run.model, "generations": list(p.responses)}
        for p in run.prompts
    ]
    is_there(folder / "generations.jsonl", rows)
    return folder


def write_leaderboard(
    output: Path,
    run: LoggedRun,
    prompts: Sequence[LeaderboardPrompt],
    *,
    version: str,
    subset: Subset | None = None,
) -> Path:
    """Write the files of one subset and one metric version; each whole or not at all.

    Files of the same responses may be there: what they lack (a value that was null, another version) is
    added, and what they know has to be the same. Everything else is refused before anything is written.

    Args:
        output: the folder of one model's submission, made if need be.
        run: whose prompts these are; for the model's name (null in the files where it is not known), the
            subset, and the number of prompts that had no response.
        prompts: one for each of the run's, in the same order.
        version: of the metric, one of `VERSIONS`.
        subset: where neither ids nor task tell it.

    Returns:
        The version's folder.

    Raises:
        DiversityEvalError: a prompt without an id, two with the same, an unknown version or subset, values
            that do not fit together, files of another model or with other content, files that cannot be
            written.
    """
    if version not in VERSIONS:
        raise DiversityEvalError(
            f"NoveltyBench's metric has the versions {' and '.join(VERSIONS)}, not {version}"
        )
    if len(prompts) != len(run.prompts):
        raise DiversityEvalError(
            f"{run.path}: NoveltyBench's files need all {len(run.prompts)} prompts, not {len(prompts)}"
        )
    _check_ids(run.path, [prompt.id for prompt in prompts])
    folder = output / FOLDERS[_subset(run, [prompt.id for prompt in prompts], subset)]
    versioned = folder / f"v{version}"
    rows = [_row(prompt, run.model, version) for prompt in prompts]
    new = {
        folder / "generations.jsonl": [{name: row[name] for name in _GENERATIONS} for row in rows],
        versioned / "partitions.jsonl": [{name: row[name] for name in _PARTITIONS} for row in rows],
        versioned / "scores.jsonl": rows,
    }
    try:
        check_models(output, run.model)
        changed = [path for path in new if not is_there(path, new[path])]
        versioned.mkdir(parents=True, exist_ok=True)
        for path in changed:
            with replacing(path) as file:
                file.writelines(_lines(new[path]))
        write_text(versioned / "summary.json", json.dumps(_summary(rows, version, run.left_out), indent=2))
    except OSError as error:
        raise DiversityEvalError(
            f"{folder}: NoveltyBench's files cannot be written ({error.strerror or error})"
        ) from None
    return versioned


def _check_ids(path: Path, ids: Sequence[Any]) -> None:
    missing = sum(name is None for name in ids)
    if missing:
        raise DiversityEvalError(
            f"{path}: {missing} of {len(ids)} prompts have no id, which NoveltyBench's files need (such as "
            'curated-0); give each row its "id", or run the task novelty_bench, whose logs have them'
        )
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DiversityEvalError(
            f"{path}: the id {twice!r} occurs twice; NoveltyBench's files have one row for each prompt"
        )


def _subset(run: LoggedRun, ids: Sequence[Any], subset: Subset | None) -> Subset:
    by_ids = subset_of_ids(ids)
    said = subset or subset_of_task(run.task)
    if subset is not None and subset not in FOLDERS:
        raise DiversityEvalError(f"NoveltyBench has the subsets {' and '.join(FOLDERS)}, not {subset}")
    if subset and by_ids and by_ids != subset:
        raise DiversityEvalError(f"{run.path}: the prompts' ids are of the subset {by_ids}, not {subset}")
    if {"curated", "wildchat"} <= {subset_of_ids([name]) for name in ids}:
        raise DiversityEvalError(f"{run.path}: the prompts' ids are of both subsets; give each its own file")
    chosen = by_ids or said
    if chosen is None:
        raise DiversityEvalError(
            f"{run.path}: neither the ids nor the task {run.task} tell which subset of NoveltyBench this is; "
            f"expected ids such as curated-0 or WildChat-..., or say {' or '.join(FOLDERS)}"
        )
    return chosen


def _row(prompt: LeaderboardPrompt, model: str | None, version: str) -> dict[str, Any]:
    """The row of `scores.jsonl`."""
    partition = prompt.partition
    if partition is not None and UNKNOWN in partition:
        partition = None
    classes = list(dict.fromkeys(partition or ()))  # in the order in which they are opened
    given, per_class = prompt.generation_scores, prompt.partition_scores
    for what, length, expected in (
        ("classes", None if partition is None else len(partition), len(prompt.generations)),
        ("scores", None if given is None else len(given), len(prompt.generations)),
        ("distinct", None if partition is None else prompt.distinct, len(classes)),
        ("class scores", None if partition is None or per_class is None else len(per_class), len(classes)),
    ):
        if length is not None and length != expected:
            raise DiversityEvalError(f"prompt {prompt.id!r}: {what}: {length}, but expected {expected}")
    scores = None if given is None else [_number(score) for score in given]
    if version == "1.0":  # counts what opens a class, and nothing else
        heads = set(representatives(partition)) if partition else set()
        zeroed = None if scores is None else [s if i in heads else 0 for i, s in enumerate(scores)]
        scores = zeroed if partition is not None else None
    row: dict[str, Any] = {
        "id": prompt.id,
        "prompt": prompt.prompt,
        "model": model,
        "generations": list(prompt.generations),
        "partition": None if partition is None else [classes.index(label) for label in partition],
        "distinct": None if partition is None else len(classes),
        "generation_scores": scores,
        "partition_scores": (
            None if partition is None or per_class is None else [_number(score) for score in per_class]
        ),
        "utility": None if partition is None else _number(prompt.utility),
    }
    return {**row, "unscored": prompt.unscored} if prompt.unscored else row


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _lines(rows: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield from encode_rows([row], "jsonl", list(row))


def _summary(rows: Sequence[dict[str, Any]], version: str, left_out: int) -> dict[str, Any]:
    """The means, over the prompts that have all there is to have."""
    with_utility = [row for row in rows if row["utility"] is not None]
    scored = with_utility or [row for row in rows if row["distinct"] is not None]
    summary: dict[str, Any] = {"version": version} if version != "1.0" else {}
    summary["mean_distinct"] = fmean(row["distinct"] for row in scored) if scored else None
    summary["mean_utility"] = fmean(row["utility"] for row in scored) if with_utility else None
    if len(scored) < len(rows):
        summary |= {"unscored": len(rows) - len(scored), "n_scored": len(scored)}
    if left_out:
        summary["without_responses"] = left_out
    return summary
