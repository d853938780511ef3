"""The demo's evaluations: lm-eval's own command on each version, and what it wrote."""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from diversity_eval.logs.logged import LoggedRun

__all__ = ["TASKS", "Evaluation", "evaluate", "lm_eval_arguments", "read_evaluation", "shown_command"]

TASKS: Mapping[str, str] = {"demo_stories": "continue a story", "demo_prompts": "answer a prompt"}
"""The demo's tasks, with what they ask for."""

# Several run at a time, and matrices of this size gain nothing from more threads.
_THREADS = {"OMP_NUM_THREADS": "1"}
# Characters with a meaning of their own in lm-eval's key=value lists.
_SPECIAL = frozenset(",'\"[](){}")


@dataclass(frozen=True)
class Evaluation:
    """What lm-eval wrote about one version; `runs` are its tasks' prompts, responses and values, by task."""

    results_file: Path
    runs: Mapping[str, LoggedRun]

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        """Each task's metrics, as lm-eval names them; None where one is not finite."""
        found: Mapping[str, Mapping[str, Any]] = next(iter(self.runs.values())).results["results"]
        return {task: {key: _finite(value) for key, value in found[task].items()} for task in self.runs}

    def value(self, task: str, metric: str, suffix: str = "") -> float | None:
        """A task's mean of a metric, or with the suffix `_stderr` its standard error; None without one."""
        value = self.results[task].get(f"{metric}{suffix},none")
        return float(value) if isinstance(value, int | float) else None


def lm_eval_arguments(model: Path, adapter: Path | None, output: Path, num_samples: int) -> list[str]:
    """lm_eval's arguments that evaluate `model`, or with `adapter` the version which that makes of it."""
    tasks = resources.files("diversity_eval.demo") / "tasks"
    values = {"pretrained": str(model)}
    if adapter is not None:
        values |= {"peft": str(adapter), "tokenizer": str(adapter)}
    values["dtype"] = "float32"
    plain = not any(_SPECIAL.intersection(value) for value in values.values())
    model_args = ",".join(f"{key}={value}" for key, value in values.items()) if plain else json.dumps(values)
    return [
        "--model", "hf", "--model_args", model_args,
        "--tasks", ",".join(TASKS), "--include_path", str(tasks), "--metadata", f"num_samples={num_samples}",
        "--device", "cpu", "--batch_size", "64", "--output_path", str(output), "--log_samples",
    ]  # fmt: skip


def shown_command(program: str, arguments: Sequence[str]) -> str:
    """One of the demo's commands as a user can type it; each of them has one thread."""
    variables = " ".join(f"{name}={value}" for name, value in _THREADS.items())
    return f"{variables} {program} {shlex.join(arguments)}"


def evaluate(arguments: list[str], output: Path) -> Evaluation:
    """Run lm_eval with `arguments`, whose output path is `output`, and read what it wrote.

    Raises DiversityEvalError, with the end of what lm_eval said, if it fails.
    """
    before = set(output.glob("*/results_*.json"))
    finished = subprocess.run(
        [sys.executable, "-m", "lm_eval", "run", *arguments],
        env={**os.environ, **_THREADS}, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if finished.returncode != 0:
        raise DiversityEvalError(f"lm_eval failed; the end of what it said:\n{finished.stderr[-3000:]}")
    written = sorted(set(output.glob("*/results_*.json")) - before)
    if not written:
        raise DiversityEvalError(f"lm_eval wrote no results below {output}:\n{finished.stderr[-3000:]}")
    return read_evaluation(written[-1])


def read_evaluation(results_file: Path) -> Evaluation:
    """The evaluation in a results file with its sample logs. Raises DiversityEvalError if a task lacks."""
    from diversity_eval.logs.reading import read_logs

    runs = {run.task: run for run in read_logs([results_file])}
    if missing := [task for task in TASKS if task not in runs]:
        raise DiversityEvalError(f"{results_file}: has no results of {missing[0]}")
    return Evaluation(results_file, {task: runs[task] for task in TASKS})


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
