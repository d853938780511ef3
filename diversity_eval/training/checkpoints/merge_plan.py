"""Which weights an adapter is merged into, and which it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.adapter import AdapterFiles, TrainedOn
from diversity_eval.training.checkpoints.model_files import DTYPES, ModelFiles, find_model
from diversity_eval.training.checkpoints.record import read_record

__all__ = ["MergePlan", "Onto", "Weights", "plan_merge"]

Onto = Literal["original", "dequantised"]
"""`original`: the weights in full precision; `dequantised`: what NF4 makes of them, written out."""


@dataclass(frozen=True)
class Weights:
    """A checkpoint's weights as they are, taken out of its NF4, or put through NF4 when they are loaded.

    `dtype` is what training loads them in before they go through NF4.
    """

    files: ModelFiles
    form: Literal["plain", "stored nf4", "nf4 on loading"]
    dtype: str

    def held_in(self, work: str) -> str:
        """What to load them in for computing in `work`.

        Loading rounds, and some constants of a model too (Gemma's scale of the embeddings), so it is done in
        `work` unless NF4 would get other numbers.
        """
        rounded = self.form == "nf4 on loading" and self.files.dtype == "float32"
        return self.dtype if rounded else work


@dataclass(frozen=True)
class MergePlan:
    """`into` is what the adapter is added to, `trained_with` what it was trained on (None: not known),
    `dtype` that of the original weights, `reason` why it is `onto` these.
    """

    onto: Onto
    reason: str
    into: Weights
    trained_on: TrainedOn
    trained_with: Weights | None
    dtype: str
    parameters: int


def plan_merge(adapter: AdapterFiles, base: str | None, onto: Onto | None) -> MergePlan:
    """What to merge into. `base` replaces the model that the adapter names.

    Raises DiversityEvalError: there is no such model, it is quantised otherwise, `onto` does not apply to it,
    or its original weights are not known.
    """
    if onto is not None and onto not in get_args(Onto):
        raise DiversityEvalError(f"onto {onto!r}: expected {' or '.join(get_args(Onto))}")
    named = base or adapter.base
    if not named:
        raise DiversityEvalError(f"adapter {adapter.folder}: names no base model; say which (base=...)")
    files = find_model(named, adapter.revision if base is None or base == adapter.base else None)
    if files.quantization and not files.is_nf4:
        method = files.quantization.get("quant_method")
        raise DiversityEvalError(
            f"model {named}: is quantised with {getattr(method, 'value', method)}, which an adapter cannot "
            "be merged into; name the original weights (base=...)"
        )
    return _onto_nf4(adapter, files, onto) if files.is_nf4 else _onto_plain(adapter, files, onto)


def _onto_nf4(adapter: AdapterFiles, files: ModelFiles, onto: Onto | None) -> MergePlan:
    """The base is a checkpoint in NF4: it, dequantised, or what it was made from."""
    held = Weights(files, "stored nf4", files.dtype)
    record = read_record(files.folder) or {}
    source_dtype = record.get("source_dtype")
    dtype = source_dtype if source_dtype in DTYPES else files.dtype
    if onto != "original":
        reason = "asked for" if onto else "the default: the adapter was trained on these weights"
        return MergePlan("dequantised", reason, held, "nf4", held, str(dtype), _parameters(files))
    original = _source_of(files, record)
    return MergePlan(
        "original", "asked for", Weights(original, "plain", original.dtype), "nf4", held, original.dtype,
        _parameters(original),
    )  # fmt: skip


def _onto_plain(adapter: AdapterFiles, files: ModelFiles, onto: Onto | None) -> MergePlan:
    """The base is in full precision, and training may have put it through NF4."""
    plain = Weights(files, "plain", files.dtype)
    in_training = adapter.compute_dtype
    if in_training not in DTYPES:
        in_training = _default_compute_dtype() if adapter.trained_on == "nf4" else "bfloat16"
    rounded = Weights(files, "nf4 on loading", str(in_training))
    if onto == "dequantised" and adapter.trained_on == "full":
        raise DiversityEvalError(
            f"adapter {adapter.folder}: was trained on weights in full precision, so there is nothing to "
            "dequantise; merge onto original"
        )
    trained = {"nf4": rounded, "full": plain}.get(adapter.trained_on)
    chosen: Onto = onto or ("dequantised" if adapter.trained_on == "nf4" else "original")
    reason = "asked for"
    if onto is None:
        reason = "the default: the adapter was trained on these weights"
        if adapter.trained_on == "unknown":
            reason = "the default: nothing says that the base was quantised in training"
    into = rounded if chosen == "dequantised" else plain
    return MergePlan(
        chosen, reason, into, adapter.trained_on, trained, files.dtype, _parameters(files)
    )  # fmt: skip


def _source_of(files: ModelFiles, record: dict[str, Any]) -> ModelFiles:
    """The model that a checkpoint of `diversity-eval quantize` was made from."""
    name, revision = record.get("model"), record.get("commit") or record.get("revision")
    if record.get("kind") != "quantised" or not isinstance(name, str):
        raise DiversityEvalError(
            f"model {files.name}: is in NF4, and nothing says what it was quantised from; name the original "
            "weights (base=...)"
        )
    if not Path(name).expanduser().is_dir() and (name.startswith(("/", ".", "~")) or name.count("/") > 1):
        raise DiversityEvalError(
            f"model {files.name}: was quantised from {name}, which is not here; name the original weights "
            "(base=...)"
        )
    original = find_model(name, revision if isinstance(revision, str) else None)
    expected = record.get("source_sha256")
    if original.quantization or (expected is not None and original.sha256() != expected):
        raise DiversityEvalError(
            f"model {files.name}: was quantised from {name}, whose weights are others now; name the "
            "original ones (base=...)"
        )
    return original


def _default_compute_dtype() -> str:
    """What training computes in on this machine where its settings say `auto`."""
    import torch

    return "bfloat16" if torch.cuda.is_available() else "float32"


def _parameters(files: ModelFiles) -> int:
    """About how many weights there are once they are plain."""
    packed = {
        name.rpartition(".weight.")[0] + ".weight" for name in files.tensors if ".weight.quant_state" in name
    }
    return sum(each.elements * (2 if name in packed else 1) for name, each in files.tensors.items())
