"""The demo from the base model to evaluations of all versions."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diversity_eval.demo.evaluation import Evaluation, evaluate, lm_eval_arguments
from diversity_eval.demo.fine_tuning import (
    LOSSES,
    ROWS_FILE,
    check_folder,
    train_command,
    train_version,
    write_rows,
)

if TYPE_CHECKING:
    from pathlib import Path

    from diversity_eval.training.run import TrainResult

__all__ = ["BASE", "DemoResult", "DemoRun"]

BASE = "base"
"""The version that is not fine-tuned."""

# Each takes a core, most of the time to look for lm-eval's tasks and to import its libraries.
_AT_A_TIME = 2


@dataclass(frozen=True)
class DemoResult:
    """What came out: the fine-tuning runs by version, and the evaluations of all versions, `BASE` first."""

    trained: dict[str, TrainResult]
    evaluations: dict[str, Evaluation]


class DemoRun:
    """One run of the demo below `output`; with `fine_tune` false of the base model alone.

    Raises DiversityEvalError if `output` holds something that would be lost, or can't be written.
    """

    def __init__(self, output: Path, num_samples: int, *, fine_tune: bool = True) -> None:
        self._num_samples = num_samples
        self._evaluations = output / "evaluations"
        self.adapters = {name: output / "checkpoints" / name for name in LOSSES} if fine_tune else {}
        self.rows = output / ROWS_FILE
        for folder in self.adapters.values():
            check_folder(folder)
        self.row_count = write_rows(self.rows) if fine_tune else 0

    def training_commands(self, model: Path) -> dict[str, list[str]]:
        """The arguments of `diversity-eval` that train each version as `carry_out` does."""
        return {name: train_command(name, model, self.rows, folder) for name, folder in self.adapters.items()}

    def evaluation_commands(self, model: Path) -> dict[str, list[str]]:
        """The arguments of `lm_eval` that `carry_out` evaluates each version with."""
        adapters = {BASE: None, **self.adapters}
        return {
            name: lm_eval_arguments(model, adapter, self._evaluations / name, self._num_samples)
            for name, adapter in adapters.items()
        }

    def carry_out(self, model: Path) -> DemoResult:
        """Train and evaluate; a version is evaluated while the next one is trained. Progress is on stderr."""
        from tqdm import tqdm

        commands, trained = self.evaluation_commands(model), {}
        running: dict[str, Future[Evaluation]] = {}
        pool = ThreadPoolExecutor(_AT_A_TIME)

        def start(name: str) -> None:
            running[name] = pool.submit(evaluate, commands[name], self._evaluations / name)

        try:
            start(BASE)
            for name, folder in self.adapters.items():
                print(f"{name}:", file=sys.stderr, flush=True)
                trained[name] = train_version(name, model, self.rows, folder)
                start(name)
            with tqdm(total=len(running), desc="evaluating", unit="version", file=sys.stderr) as bar:
                for future in as_completed(running.values()):
                    future.result()
                    bar.update()
        finally:
            pool.shutdown(cancel_futures=True)
        return DemoResult(trained, {name: future.result() for name, future in running.items()})
