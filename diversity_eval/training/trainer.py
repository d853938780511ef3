"""TRL's SFTTrainer with the loss of choice, and an account of what the tokens were like."""

import math
import time
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.output_layer import LossChoice, OutputLayer, compute_loss_in_forward

__all__ = ["NOT_FINITE_ADVICE", "trainer_class"]

NOT_FINITE_ADVICE = "lower the learning rate, or compute in float32 (--dtype float32)"

_CLASS: Any = None


def trainer_class() -> Any:
    """The trainer; made at its first use, since a class needs its base and TRL takes seconds to import.

    `TokenLossTrainer(choice, layer, strict=..., **arguments of SFTTrainer)`. The loss is the mean over the
    tokens that count in the whole accumulated batch, over all devices. A forward pass with a loss that is not
    finite adds nothing; an optimiser step is left out if its gradient is not finite, or if no loss of its
    passes was. Both are counted in `not_finite`, and with `strict` the first raises DiversityEvalError.
    """
    global _CLASS
    if _CLASS is not None:
        return _CLASS
    import torch
    from transformers import TrainerCallback
    from trl import SFTTrainer

    class SkipNotFinite(TrainerCallback):  # type: ignore[misc]  # an untyped base
        """Leaves out an optimiser step that has no finite gradient; a run that goes on goes on counting."""

        def __init__(self, trainer: Any) -> None:
            self._trainer = trainer

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            for row in state.log_history:
                for what in self._trainer.not_finite:
                    self._trainer.not_finite[what] = int(row.get(f"not_finite_{what}", 0))

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            gradients = [p.grad for p in self._trainer.model.parameters() if p.grad is not None]
            finite = all(bool(torch.isfinite(each).all()) for each in gradients)
            if self._trainer.step_has_a_loss() and finite:
                return
            self._trainer.count_not_finite("steps", "gradient")
            for parameter in self._trainer.model.parameters():
                parameter.grad = None  # the optimiser passes over it, and its averages stay clean

    class TokenLossTrainer(SFTTrainer):  # type: ignore[misc]  # an untyped base
        """See `trainer_class`."""

        def __init__(self, choice: LossChoice, layer: OutputLayer, *, strict: bool, **arguments: Any) -> None:
            super().__init__(**arguments)
            # `compute_loss` divides by the tokens of the whole accumulated batch; the Trainer must not divide
            # again.
            self.model_accepts_loss_kwargs = True
            self.loss_is_scaled_for_ga = True
            self._strict = strict
            self.not_finite = {"losses": 0, "steps": 0}
            """Forward passes with a loss that is not finite, in all processes; optimiser steps left out."""
            self._passes = {"finite": 0, "lost": 0}  # of this process in this step
            self._lost = 0  # of this process since the last log
            self._window: list[dict[str, torch.Tensor]] = []
            self._window_started = time.monotonic()
            inner = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
            compute_loss_in_forward(inner, choice, layer)
            self.add_callback(SkipNotFinite(self))

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """The sum over this batch's tokens by the number in the accumulated batch, times the processes.

            Gradients are averaged over processes afterwards, hence the factor.
            """
            items = None
            if num_items_in_batch is not None:
                items = num_items_in_batch
                if torch.is_tensor(items):
                    items = items.clamp(min=1)
                if self.args.average_tokens_across_devices:
                    items = items / self.accelerator.num_processes
            outputs = model(**inputs, token_loss=True, num_items=items)
            loss = outputs["loss"]
            if not bool(torch.isfinite(loss)):
                self._passes["lost"] += 1
                self._lost += 1
                self._stop_if_strict("loss")
                # Zero, and tied to every parameter, since other processes wait for their gradients.
                loss = sum(p.sum() * 0.0 for p in model.parameters() if p.requires_grad)
            elif self.model.training:
                self._passes["finite"] += 1
                summed = loss.detach() * (outputs["tokens"] if items is None else items)
                counted = {key: outputs[key].detach() for key in ("tokens", "p_label", "entropy")}
                self._window.append({**counted, "loss": summed})
            return (loss, outputs) if return_outputs else loss

        def step_has_a_loss(self) -> bool:
            """Whether any pass of this step had a finite loss, in any process, or none was lost."""
            finite, lost = self._over_processes([self._passes["finite"], self._passes["lost"]])
            self._passes = {"finite": 0, "lost": 0}
            return bool(finite or not lost)

        def count_not_finite(self, what: str, name: str) -> None:
            """Count it under `what`; if the run is strict stop with a message that calls it `name`."""
            self.not_finite[what] += 1
            self._stop_if_strict(name)

        def _stop_if_strict(self, name: str) -> None:
            if self._strict:
                raise DiversityEvalError(
                    f"step {self.state.global_step + 1}: the {name} is not finite, and the run is strict; "
                    f"{NOT_FINITE_ADVICE}"
                )

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            """Add what the tokens were like since the last time, over all processes."""
            if "loss" in logs:
                logs = {**logs, **self._tokens_since(logs["loss"])}
            self._window = []
            self._window_started = time.monotonic()
            # Past SFTTrainer's own `log`, which adds the averages that its `compute_loss` collects.
            super(SFTTrainer, self).log(logs, start_time)

        def _tokens_since(self, loss: float) -> dict[str, float]:
            keys = ("tokens", "p_label", "entropy", "loss")
            own = [sum(float(each[key]) for each in self._window) for key in keys]
            tokens, p_label, entropy, total, lost = self._over_processes([*own, self._lost])
            self._lost = 0
            self.not_finite["losses"] += int(lost)
            found = {"tokens": tokens, "loss": loss}
            if tokens:
                found |= {"p_label": p_label / tokens, "entropy": entropy / tokens}
            if lost:
                # The Trainer's mean takes a lost pass for 0.
                found["loss"] = total / tokens if tokens else math.nan
            found["tokens_per_second"] = tokens / max(time.monotonic() - self._window_started, 1e-9)
            if any(self.not_finite.values()):
                found |= {f"not_finite_{what}": count for what, count in self.not_finite.items()}
            return found

        def _over_processes(self, values: list[float]) -> list[float]:
            """The sums over all processes; each takes part, also one whose passes were all lost."""
            if self.accelerator.num_processes == 1:
                return values
            own = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
            summed: list[float] = self.accelerator.reduce(own, reduction="sum").tolist()
            return summed

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            # Past SFTTrainer's, which writes a card of its own into the output folder.
            super(SFTTrainer, self)._save_checkpoint(model, trial)

    _CLASS = TokenLossTrainer
    return _CLASS
