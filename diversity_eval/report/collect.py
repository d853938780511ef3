"""From the folders and files that a user names to the evaluations in them: what is good is kept, what is
not is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedRun
from diversity_eval.logs.reading import read_logs
from diversity_eval.logs.rows import read_jsonl
from diversity_eval.logs.sample_logs import (
    SAMPLE_LOG,
    TIME,
    NotGeneratedError,
    read_results,
    results_beside,
    task_of_log,
)
from diversity_eval.report.evaluation import Evaluation
from diversity_eval.report.from_files import KEPT_FILE, evaluations_of_kept, evaluations_of_scores
from diversity_eval.report.from_logs import evaluation_of_rows, evaluation_of_run, evaluations_of_results
from diversity_eval.report.subjects import join_subjects

__all__ = ["Collected", "collect"]

_RESULTS = re.compile(rf".*_{TIME}\.json")
_SCORES = ("scores.jsonl", "partitions.jsonl")
# Where `score` puts the leaderboard's files of the runs whose results are beside them.
_OWN_LEADERBOARD = "novelty-bench"

Collected = list[tuple[Path, Evaluation]]
"""Evaluations, each with the path under which the user named it."""


def collect(paths: Iterable[Path | str], warn: Callable[[str], None]) -> Collected:
    """The evaluations below some paths, in the order in which they are named; each file once.

    A folder may hold lm-eval's output, `diversity-eval score`'s, NoveltyBench leaderboard files and runs kept
    without texts, at any depth. A file is a results file, a sample log, `scores.jsonl`, or responses in a
    form that `diversity-eval score` reads, which have values only once they are scored.

    Args:
        paths: folders and files.
        warn: told of everything that cannot be used; one line each.

    Raises:
        DiversityEvalError: a path that does not exist, or nothing usable anywhere.
    """
    collecting = _Collecting(warn)
    named = [Path(path) for path in paths]
    if not named:
        raise DiversityEvalError("no runs given; name output folders of lm_eval or diversity-eval score")
    for path in named:
        if not path.exists():
            raise DiversityEvalError(f"{path}: no such file or folder")
        collecting.read(path)
    if not collecting.found:
        faults = "; ".join(collecting.faults[:3]) or "no results, sample logs or scores below them"
        raise DiversityEvalError(f"no usable run in {', '.join(map(str, named))}: {faults}")
    return join_subjects(collecting.found)


class _Collecting:
    def __init__(self, warn: Callable[[str], None]) -> None:
        self.found: Collected = []
        self.faults: list[str] = []
        self._warn = warn
        self._seen: set[Path] = set()

    def read(self, named: Path) -> None:
        before = len(self.found), len(self.faults)
        if named.is_file():
            self._file(named, named)
        else:
            self._folder(named)
        if (len(self.found), len(self.faults)) == before and not self._known_already(named):
            self._fault(
                f"{named}: not a run; expected results_TIME.json, samples_TASK_TIME.jsonl or scores.jsonl in "
                "it or below"
            )

    def _folder(self, named: Path) -> None:
        results = sorted(path for path in named.rglob("*.json") if _is_results(path))
        covered = set(results)
        for path in results:
            self._file(path, named)
        for path in sorted(named.rglob("samples_*.jsonl")):
            beside = results_beside(path) if SAMPLE_LOG.fullmatch(path.name) else None
            if beside not in covered:
                self._file(path, named)
        for path in sorted(named.rglob(KEPT_FILE)):
            self._file(path, named)
        scored = {path.parent for path in named.rglob("scores.jsonl")}
        for path in sorted(path for name in _SCORES for path in named.rglob(name)):
            own = results and _OWN_LEADERBOARD in path.relative_to(named).parts
            if not own and (path.name == "scores.jsonl" or path.parent not in scored):
                self._file(path, named)

    def _file(self, path: Path, named: Path) -> None:
        real = path.resolve()
        if real in self._seen:
            return
        self._seen.add(real)
        try:
            found = self._evaluations(path)
        except DiversityEvalError as error:
            self._fault(str(error))
            return
        for evaluation in found:
            if evaluation.metrics:
                self.found.append((named, evaluation))
            else:
                self._fault(f"{evaluation.path}: {evaluation.task} has no metrics; score it first")

    def _evaluations(self, path: Path) -> Sequence[Evaluation]:
        if path.name in _SCORES:
            return evaluations_of_scores(path)
        if path.name == KEPT_FILE:
            return evaluations_of_kept(path.parent, self._warn)
        if path.suffix == ".json":
            return self._of_results(path)
        if SAMPLE_LOG.fullmatch(path.name):
            beside = results_beside(path)
            return self._of_samples(path, read_results(beside) if beside else {})
        return [evaluation_of_run(run, warn=self._warn) for run in read_logs([path], warn=self._warn)]

    def _of_results(self, path: Path) -> list[Evaluation]:
        results = read_results(path)
        stamp = path.stem.rpartition("_")[2]
        found, logged = [], set()
        for log in sorted(path.parent.glob(f"samples_*_{stamp}.jsonl")):
            if not SAMPLE_LOG.fullmatch(log.name):
                continue
            self._seen.add(log.resolve())
            try:
                of_log = self._of_samples(log, results)
            except DiversityEvalError as error:
                self._fault(str(error))
                continue
            found += of_log
            logged |= {evaluation.task for evaluation in of_log}
        # A group's mean is over tasks that are here by themselves.
        groups = set(results.get("group_subtasks") or {}) | set(results.get("groups") or {})
        rest = [task for task in results["results"] if task not in logged and task not in groups]
        return found + evaluations_of_results(path, results, rest)

    def _of_samples(self, path: Path, results: Mapping[str, Any]) -> list[Evaluation]:
        try:
            runs: list[LoggedRun] = read_logs([path])
        except NotGeneratedError:
            task = task_of_log(path, results)
            return [evaluation_of_rows(task, path, read_jsonl(path), results, self._warn)]
        return [evaluation_of_run(run, warn=self._warn) for run in runs]

    def _known_already(self, named: Path) -> bool:
        folder = named.resolve()
        return any(path == folder or folder in path.parents for path in self._seen)

    def _fault(self, message: str) -> None:
        self.faults.append(message)
        self._warn(f"left out: {message}")


def _is_results(path: Path) -> bool:
    return path.is_file() and _RESULTS.fullmatch(path.name) is not None
