"""What goes on beside the training steps: the bar, the log file, the mark of a complete checkpoint."""

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["COMPLETE", "LOG_FILE", "callbacks", "cut_log"]

COMPLETE = "complete.json"
"""Written into a checkpoint last: one without it was cut off while it was saved."""
LOG_FILE = "log.jsonl"
_LOGGED = ("loss", "p_label", "entropy", "grad_norm", "learning_rate", "tokens", "tokens_per_second", "not_finite")


def callbacks(folder: Path) -> list[Any]:
    """The callbacks of a run whose output is `folder`."""
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Bar(TrainerCallback):  # type: ignore[misc]
        """One bar over the optimiser steps, on the terminal of the first process."""

        def __init__(self) -> None:
            self._bar: Any = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                self._bar = tqdm(
                    total=state.max_steps, initial=state.global_step, desc="training", unit="step", file=sys.stderr
                )

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

    class LogFile(TrainerCallback):  # type: ignore[misc]
        """One JSON object a logged step."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if not state.is_world_process_zero or not logs or "loss" not in logs:
                return
            row = {"step": state.global_step, "epoch": round(float(state.epoch or 0), 6)}
            row |= {key: logs[key] for key in _LOGGED if key in logs}
            with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    class Complete(TrainerCallback):  # type: ignore[misc]
        """Marks a checkpoint whose last file has been written."""

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                path = Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE
                path.write_text(json.dumps({"step": state.global_step}) + "\n", encoding="utf-8")

    return [Bar(), LogFile(), Complete()]


def cut_log(folder: Path, step: int) -> None:
    """Take out of the log what was logged after `step`, which a resumed run will log again."""
    path = folder / LOG_FILE
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the run was killed
        if isinstance(row, dict) and isinstance(row.get("step"), int) and row["step"] <= step:
            kept.append(line + "\n")
    path.write_text("".join(kept), encoding="utf-8")
