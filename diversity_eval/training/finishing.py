"""What comes after the last step: the result, the card and record, the merged checkpoint."""

import contextlib
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import TrainingSet
from diversity_eval.training.output import MERGED
from diversity_eval.training.processes import is_first, say
from diversity_eval.training.settings import TrainSettings
from diversity_eval.versions import versions_of

__all__ = ["TrainResult", "finish_run", "merge_finished"]

_VERSIONS = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets")


@dataclass(frozen=True)
class TrainResult:
    """What came out of a run.

    `steps` optimiser steps in all, those after `resumed_from` in `seconds`; `loss` is the mean over the run's
    logged rows, the `last_` ones are of its last logged window (None if no token in it had a finite loss).
    `not_finite` counts forward passes whose loss was not finite (`losses`), and optimiser steps that were
    left out (`steps`).
    """

    output: Path
    steps: int
    resumed_from: int
    seconds: float
    loss: float | None
    last_loss: float | None
    last_p_label: float | None
    last_entropy: float | None
    not_finite: dict[str, int]
    merged: Path | None


def finish_run(
    settings: TrainSettings,
    output: Path,
    trainer: Any,
    data: TrainingSet,
    *,
    steps: int,
    resumed_from: int,
    seconds: float,
) -> TrainResult:
    """Write the card and the record of a run whose weights are saved, and merge if that is asked."""
    from diversity_eval.training.checkpoints import TrainingRecord, merge_adapter, write_model_card
    from diversity_eval.training.loading import compute_dtype

    history = [row for row in trainer.state.log_history if "p_label" in row]
    last = history[-1] if history else {}
    result = TrainResult(
        output=output,
        steps=steps,
        resumed_from=resumed_from,
        seconds=seconds,
        loss=sum(row["loss"] for row in history) / len(history) if history else None,
        last_loss=last.get("loss"),
        last_p_label=last.get("p_label"),
        last_entropy=last.get("entropy"),
        not_finite=dict(trainer.not_finite),
        merged=output / MERGED if settings.merge else None,
    )
    record = TrainingRecord(
        settings=settings.as_record(),
        data_report=vars(data.report),
        provenance=data.provenance,
        results={
            "steps": result.steps,
            "resumed_from_step": result.resumed_from,
            "seconds": round(seconds, 1),
            "mean_logged_loss": result.loss,
            "last_loss": result.last_loss,
            "last_p_label": result.last_p_label,
            "last_entropy": result.last_entropy,
            "not_finite": result.not_finite,
            "processes": trainer.accelerator.num_processes,
            "optimizer": str(getattr(trainer.args.optim, "value", trainer.args.optim)),
            "compute_dtype": str(compute_dtype(settings)).removeprefix("torch."),
        },
        versions=versions_of(_VERSIONS),
        hardware=_hardware(),
    )
    # With the record, which marks the run as finished: if merging fails, it can be asked for again.
    write_model_card(output, record)
    if settings.merge:
        merged = merge_adapter(output, output / MERGED, overwrite=True)
        write_model_card(output, replace(record, merged=merged.as_record()))
    return result


def merge_finished(settings: TrainSettings, output: Path) -> TrainResult | None:
    """A finished run: merged now if that is asked and was not done, else an error."""
    if not settings.merge or (output / MERGED).exists():
        raise DiversityEvalError(f"{output}: holds this run, finished; choose another folder, or --overwrite")
    if not is_first():
        return None
    from diversity_eval.training.checkpoints import (
        TrainingRecord,
        merge_adapter,
        read_record,
        write_model_card,
    )

    merged = merge_adapter(output, output / MERGED)
    say(f"{output}: was finished already, and only had to be merged")
    written = (read_record(output) or {}).get("training", {})
    with contextlib.suppress(TypeError):  # the record of another version: the merged folder has its own card
        write_model_card(output, TrainingRecord(**{**written, "merged": merged.as_record()}))
    results = written.get("results", {})
    steps = int(results.get("steps", 0))
    return TrainResult(
        output=output,
        steps=steps,
        resumed_from=steps,
        seconds=0.0,
        loss=results.get("mean_logged_loss"),
        last_loss=results.get("last_loss"),
        last_p_label=results.get("last_p_label"),
        last_entropy=results.get("last_entropy"),
        not_finite=dict(results.get("not_finite", {})),
        merged=output / MERGED,
    )


def _hardware() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"
