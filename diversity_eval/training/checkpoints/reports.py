"""What quantising and merging report, and write into records."""

from dataclasses import asdict, dataclass
from typing import Any

from diversity_eval.training.checkpoints.adapter import TrainedOn
from diversity_eval.training.checkpoints.merge_plan import Onto

__all__ = ["MergeCheck", "MergeReport", "QuantizationError", "QuantizeReport"]


@dataclass(frozen=True)
class QuantizationError:
    """How far the quantised weights are from the source's, over all matrices that could be compared.

    `relative` is the Frobenius norm of the difference over that of the weights (about 0.09 for weights that
    are normally distributed in each block of 64), `mean_absolute` and `largest` are of single weights, in
    their unit; `worst` names the matrix with the largest relative error, `worst_relative`.
    """

    relative: float
    mean_absolute: float
    largest: float
    worst: str
    worst_relative: float
    matrices: int


@dataclass(frozen=True)
class QuantizeReport:
    """What was quantised, into what, and how well. Sizes are bytes of weights on disk.

    `parameters` and `quantised_parameters` count weights; the others keep `dtype`. `commit` is that of a Hub
    model.
    """

    model: str
    revision: str | None
    commit: str | None
    output: str
    dtype: str
    source_dtype: str
    source_sha256: dict[str, str]
    parameters: int
    quantised_parameters: int
    matrices: int
    bytes_before: int
    bytes_after: int
    error: QuantizationError
    seconds: float
    versions: dict[str, str]

    def as_record(self) -> dict[str, Any]:
        """The fields as plain values, for files."""
        return asdict(self)


@dataclass(frozen=True)
class MergeCheck:
    """Largest absolute differences of logits over one short text, each computed in `computed_in`.

    `from_adapter` is between the merged checkpoint, as it was read back from disk, and the adapter on the
    weights that it was merged into: rounding to the checkpoint's dtype. `from_training` is between the merged
    checkpoint and the adapter on the weights that it was trained on; equal to `from_adapter` if these are the
    same, None if it is not known what they were. `effect` is what the adapter itself changes, and `range` how
    far the logits spread.
    """

    text: str
    tokens: int
    computed_in: str
    from_adapter: float
    from_training: float | None
    effect: float
    range: float


@dataclass(frozen=True)
class MergeReport:
    """What was merged into what. `onto` is `original` or `dequantised`, `reason` why, `trained_on` how the
    base was held in training; `base` and `revision` name the weights that the adapter went into, as they were
    given.
    """

    adapter: str
    adapter_sha256: str
    base: str
    revision: str | None
    base_sha256: dict[str, str]
    onto: Onto
    reason: str
    trained_on: TrainedOn
    output: str
    dtype: str
    parameters: int
    vocabulary: int
    untied: bool
    bytes: int
    check: MergeCheck
    seconds: float
    versions: dict[str, str]

    def as_record(self) -> dict[str, Any]:
        """The fields as plain values, for files."""
        return asdict(self)
