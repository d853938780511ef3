"""TRL's SFTTrainer with the loss of choice, and an account of what the tokens were like."""

import time
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.output_layer import LossChoice, OutputLayer, compute_loss_in_forward

__all__ = ["NOT_FINITE_ADVICE", "trainer_class"]

NOT_FINITE_ADVICE = "lower the learning rate, or compute in float32 (--dtype float32)"

_CLASS: Any = None


def trainer_class() -> Any:
    """The trainer; made at its first use, since a class needs its base and TRL takes seconds to import.

    `TokenLossTrainer(choice, layer, strict=..., **arguments of SFTTrainer)`. The loss is the mean over the tokens that
    count in the whole accumulated batch, over all devices. A forward pass with a loss that is not finite counts as
    nothing, an optimiser step with a gradient that is not finite is left out; both are counted in `not_finite`, and
    with `strict` the first raises DiversityEvalError.
    """
    global _CLASS
    if _CLASS is not None:
        return _CLASS
    import torch
    from transformers import TrainerCallback
    from trl import SFTTrainer

    class SkipNotFinite(TrainerCallback):  # type: ignore[misc]
        """Leaves out an optimiser step whose gradient is not finite."""

        def __init__(self, trainer: Any) -> None:
            self._trainer = trainer

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            gradients = [p.grad for p in self._trainer.model.parameters() if p.grad is not None]
            finite = torch.stack([torch.isfinite(each).all() for each in gradients]).all() if gradients else True
            if bool(finite):
                return
            self._trainer.count_not_finite("gradient", state.global_step + 1)
            for parameter in self._trainer.model.parameters():
                parameter.grad = None  # the optimiser passes over it, and its averages stay clean

    class TokenLossTrainer(SFTTrainer):  # type: ignore[misc]
        """See `trainer_class`."""

        def __init__(self, choice: LossChoice, layer: OutputLayer, *, strict: bool, **arguments: Any) -> None:
            super().__init__(**arguments)
            # `compute_loss` divides by the tokens of the whole accumulated batch; the Trainer must not divide again.
            self.model_accepts_loss_kwargs = True
            self.loss_is_scaled_for_ga = True
            self._strict = strict
            self.not_finite = {"loss": 0, "gradient": 0}
            self._window: list[dict[str, torch.Tensor]] = []
            self._window_started = time.monotonic()
            self._window_skipped = 0.0
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
                self.count_not_finite("loss", self.state.global_step + 1)
                # Zero, and tied to every parameter, since other processes wait for their gradients.
                loss = sum(p.sum() * 0.0 for p in model.parameters() if p.requires_grad)
            elif self.model.training:
                self._window.append({key: outputs[key].detach() for key in ("tokens", "p_label", "entropy")})
            return (loss, outputs) if return_outputs else loss

        def count_not_finite(self, what: str, step: int) -> None:
            """Count it; raise if the run is strict."""
            self.not_finite[what] += 1
            if self._strict:
                raise DiversityEvalError(
                    f"step {step}: the {what} is not finite, and the run is strict; {NOT_FINITE_ADVICE}"
                )

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            """Add what the tokens were like since the last time, over all processes."""
            if self._window and "loss" in logs:
                keys = ("tokens", "p_label", "entropy")
                sums = torch.stack([torch.stack([each[key].double() for each in self._window]).sum() for key in keys])
                sums = self.accelerator.reduce(sums.to(self.accelerator.device), reduction="sum")
                tokens, p_label, entropy = sums.tolist()
                seconds = time.monotonic() - self._window_started
                logs = {
                    **logs,
                    "p_label": p_label / max(tokens, 1),
                    "entropy": entropy / max(tokens, 1),
                    "tokens": tokens,
                    "tokens_per_second": tokens / max(seconds, 1e-9),
                }
                if any(self.not_finite.values()):
                    logs["not_finite"] = sum(self.not_finite.values())
            self._window = []
            self._window_started = time.monotonic()
            # Past SFTTrainer's own `log`, which adds the averages that its `compute_loss` collects.
            super(SFTTrainer, self).log(logs, start_time)

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            # Past SFTTrainer's, which writes a card of its own into the output folder.
            super(SFTTrainer, self)._save_checkpoint(model, trial)

    _CLASS = TokenLossTrainer
    return _CLASS
