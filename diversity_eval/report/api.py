"""Reports from Python: `load_runs`, then `compare`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diversity_eval.report.collect import collect
from diversity_eval.report.compare import compare_rows
from diversity_eval.report.comparison import Comparison, Row
from diversity_eval.report.evaluation import Evaluation
from diversity_eval.report.published import published_values
from diversity_eval.report.rows import rows_of

__all__ = ["Runs", "compare", "load_runs"]


@dataclass(frozen=True)
class Runs:
    """Runs that were read.

    Attributes:
        rows: the checkpoints, in the order in which their runs were named.
        evaluations: one for each task of each run.
        warnings: what could not be used, and what a reader has to know; each a sentence.
    """

    rows: tuple[Row, ...]
    evaluations: tuple[Evaluation, ...]
    warnings: tuple[str, ...] = ()


def load_runs(
    paths: Iterable[Path | str],
    *,
    names: Mapping[str, str] | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> Runs:
    """Read runs: folders and files of lm_eval, of `diversity-eval score`, and of NoveltyBench's leaderboard.

    Args:
        paths: what to read.
        names: labels by path, for checkpoints that are to be called otherwise than their runs call them.
        warn: called with each warning as it comes up; they are also in the result.

    Raises:
        DiversityEvalError: a path that is not there, no usable run at all, a name for a path without a run.
    """
    warnings: list[str] = []

    def keep(message: str) -> None:
        warnings.append(message)
        warn(message)

    rows, evaluations = rows_of(collect(paths, keep), names or {}, keep)
    return Runs(tuple(rows), tuple(evaluations), tuple(warnings))


def compare(
    runs: Runs,
    *,
    baseline: str | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    protocol: str | None = None,
    allowed: Iterable[str] = (),
    strict: bool = False,
    published: Sequence[str] = (),
    confidence: float = 0.95,
    alpha: float = 0.05,
    seed: int = 0,
    resamples: int = 10_000,
    warn: Callable[[str], None] = lambda message: None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Comparison:
    """Compare runs; see `diversity_eval.report.compare.compare_rows` for what is computed.

    Args:
        runs: as `load_runs` gives them.
        baseline: a label, or a loss (`ce`): then each checkpoint is compared with that loss's of the same
            model. Unasked: cross-entropy's, else the base checkpoint, else the first.
        groups: model patterns by the group's name, `{"safe": ["Qwen3*", "Phi-4*"]}`.
        protocol: a named protocol, whose differences are allowed: `paper`.
        allowed: further keys of signatures that may differ within a column.
        strict: any difference in how results were made is an error.
        published: figures of the paper to set beside, `DATASET` or `DATASET:MODEL`.
        confidence: of the intervals.
        alpha: the level of the tests.
        seed: of the resampling; the same seed gives the same report.
        resamples: of the bootstrap.
        warn: called with each warning that is not in `runs.warnings`; all are in the result.
        progress: called with the name of each stage.

    Raises:
        DiversityEvalError: an unknown baseline, group, protocol, key or data set; with `strict` a difference.
    """
    comparison = compare_rows(
        runs.rows, runs.evaluations, baseline=baseline, groups=groups, protocol=protocol, allowed=allowed,
        strict=strict, confidence=confidence, alpha=alpha, seed=seed, resamples=resamples,
        warnings=runs.warnings, progress=progress,
    )  # fmt: skip
    more: list[str] = []
    values = published_values(comparison, published, more.append) if published else []
    whole = replace(
        comparison, published=tuple(values), warnings=tuple(dict.fromkeys([*comparison.warnings, *more]))
    )
    for message in whole.warnings:
        if message not in runs.warnings:
            warn(message)
    return whole
