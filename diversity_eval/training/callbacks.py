"""What goes on beside the training steps: the bar, the log file, the mark of a complete checkpoint."""

import json
import math
import sys
from pathlib import Path
from typing import Any

from diversity_eval.training.resuming import LOG_FILE, mark_complete

__all__ = ["callbacks"]

_LOGGED = (
    "loss", "p_label", "entropy", "grad_norm", "learning_rate", "tokens", "tokens_per_second",
    "not_finite_losses", "not_finite_steps",
)  # fmt: skip


def callbacks(folder: Path) -> list[Any]:
    """The callbacks of a run whose output is `folder`."""
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Bar(TrainerCallback):  # type: ignore[misc]  # an untyped base
        """One bar over the optimiser steps, on the terminal of the first process."""

        def __init__(self) -> None:
            self._bar: Any = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                done = {"total": state.max_steps, "initial": state.global_step}
                self._bar = tqdm(desc="training", unit="step", file=sys.stderr, **done)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if self._bar is not None:
                self._bar.update(state.global_step - self._bar.n)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if self._bar is not None and logs and "p_label" in logs:
                self._bar.set_postfix_str(
                    f"loss {logs['loss']:.3f}, p {logs['p_label']:.3f}, entropy {logs['entropy']:.2f}, "
                    f"{logs['tokens_per_second']:.0f} tokens/s"
                )

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if self._bar is not None:
                self._bar.close()

    class LogFile(TrainerCallback):  # type: ignore[misc]  # an untyped base
        """One JSON object a logged step."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if not state.is_world_process_zero or not logs or "loss" not in logs:
                return
            row = {"step": state.global_step, "epoch": round(float(state.epoch or 0), 6)}
            row |= {key: _json_number(logs[key]) for key in _LOGGED if key in logs}
            with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    class Windows(TrainerCallback):  # type: ignore[misc]  # an untyped base
        """Logs the last step, and whatever a checkpoint cuts off, so that a resumed run logs the same."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # A resumed run's state brings the intervals that it began with.
            state.save_steps, state.logging_steps = args.save_steps, args.logging_steps

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if control.should_save or control.should_training_stop:
                control.should_log = True

    class Complete(TrainerCallback):  # type: ignore[misc]  # an untyped base
        """Marks a checkpoint whose last file has been written, by any process."""

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            args.distributed_state.wait_for_everyone()
            if state.is_world_process_zero:
                mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return [Bar(), LogFile(), Windows(), Complete()]


def _json_number(value: Any) -> float | None:
    """JSON has no NaN."""
    number = float(value)
    return number if math.isfinite(number) else None
