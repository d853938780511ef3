"""What a training run is: every setting with its type, its default and what it may be.

The defaults are the protocol of the paper (facts and reasons: docs/design/training.md).
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

__all__ = [
    "BUILT_IN_DATASETS",
    "Dtype",
    "Optimizer",
    "Overlong",
    "Quantization",
    "Schedule",
    "TrainSettings",
    "setting_names",
]

Quantization = Literal["nf4", "none"]
Dtype = Literal["auto", "bfloat16", "float32"]
Optimizer = Literal["auto", "adamw_torch", "adamw_8bit", "paged_adamw_8bit"]
Schedule = Literal["linear", "cosine", "constant", "constant_with_warmup"]
Overlong = Literal["truncate", "drop"]
BUILT_IN_DATASETS = ("alpaca", "ultrafeedback", "numina_math_cot")


@dataclass(frozen=True)
class TrainSettings:
    """One run of `diversity-eval train`. A YAML has the same names; so has the command line, with dashes."""

    # what is trained
    model: str = ""
    """Hub id or folder of a causal language model; an NF4 checkpoint of `diversity-eval quantize` too."""
    revision: str | None = None
    """Branch or commit of a Hub model."""

    # the loss
    loss: str = "ce"
    """ce, focal, gem, pr, tofu, one that was registered, or MODULE:FUNCTION."""
    loss_parameters: dict[str, float] = field(default_factory=dict)
    """The loss's parameters by name (gamma, beta, lambda, alpha); the others keep their defaults."""

    # data
    dataset: str = ""
    """alpaca, ultrafeedback, numina_math_cot, a .jsonl file, or a Hub data set (ORG/NAME)."""
    dataset_split: str = "train"
    """Split of a Hub data set."""
    dataset_config: str | None = None
    """Configuration of a Hub data set."""
    first_rows: int | None = None
    """Read only this many rows of the source, from its start."""
    max_rows: int | None = None
    """Train on at most this many of the usable rows, drawn with `seed`; in their order until shuffled."""
    min_score: float = 7.0
    """ultrafeedback: the least score of a prompt's best completion."""
    reasoning: bool = False
    """numina_math_cot: wrap solution and final answer in <|reasoning|> and <|answer|> inside the response."""
    special_delimiters: bool = False
    """Make the template's delimiters tokens of their own instead of plain text."""
    max_length: int = 2048
    """Most tokens of prompt and response together."""
    overlong: Overlong = "truncate"
    """What to do with a response that does not fit: cut it (then it has no end), or leave the row out."""
    packing: bool = False
    """Put several rows into one sequence of max_length tokens; attention stays within a row."""

    # precision and adapter
    quantization: Quantization = "nf4"
    """nf4: 4-bit base with double quantisation; none: the weights as they are."""
    dtype: Dtype = "auto"
    """Dtype of the computation; auto is bfloat16 on CUDA and float32 on a CPU."""
    lora: bool = True
    """Train a low-rank adapter; false trains all weights (needs quantization none)."""
    lora_rank: int = 16
    lora_alpha: int = 16
    lora_dropout: float = 0.0

    # optimisation
    epochs: float = 1.0
    max_steps: int | None = None
    """Stop after this many optimiser steps; the schedule is planned for them."""
    batch_size: int = 2
    """Rows per device and forward pass."""
    accumulation: int = 4
    """Forward passes per optimiser step."""
    learning_rate: float = 2e-4
    schedule: Schedule = "linear"
    warmup_steps: int = 50
    weight_decay: float = 0.01
    optimizer: Optimizer = "auto"
    """auto is paged_adamw_8bit on CUDA and adamw_torch on a CPU."""
    max_grad_norm: float = 1.0
    neftune_alpha: float | None = None
    """NEFTune: size of the noise on the embeddings of a training forward pass."""
    gradient_checkpointing: bool = True
    seed: int = 3407

    # running
    fused: bool = True
    """Compute the loss with the output layer in chunks; false holds all logits (for comparison)."""
    save_steps: int | None = 200
    """Write a checkpoint to resume from every so many steps, and keep the last two; 0 or null: never."""
    log_steps: int = 10
    report_to: tuple[str, ...] = ()
    """wandb, tensorboard, ...: as transformers' report_to."""
    strict: bool = False
    """Stop at the first unusable row or loss that is not finite, instead of counting them."""
    merge: bool = False
    """Also write the adapter merged into its base, as `merged` in the output folder."""

    def as_record(self) -> dict[str, Any]:
        """The settings as plain values, for files."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def setting_names() -> list[str]:
    """The names of all settings."""
    return [each.name for each in fields(TrainSettings)]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


CHOICES: dict[str, tuple[str, ...]] = {
    "quantization": get_args(Quantization),
    "dtype": get_args(Dtype),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "overlong": get_args(Overlong),
}
