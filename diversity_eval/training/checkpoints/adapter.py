"""A peft adapter's folder: what it was trained on, and whether it can be merged."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diversity_eval.data.files import sha256_of
from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.model_files import StoredTensor, stored_tensors
from diversity_eval.training.checkpoints.record import read_record

__all__ = ["AdapterFiles", "TrainedOn", "read_adapter", "vllm_max_rank", "vllm_refuses"]

TrainedOn = Literal["nf4", "full", "unknown"]

_HELD: dict[str, TrainedOn] = {"nf4": "nf4", "none": "full"}
_WEIGHTS = "adapter_model.safetensors"
_SETTINGS = "settings.json"  # of a training run that has not written its record yet
# `--max_lora_rank` of vLLM 0.11 to 0.32.
_VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True)
class AdapterFiles:
    """A LoRA adapter: its configuration, its tensors, and what is known of the training.

    `trained_on` says how the base was held in training: `nf4`, `full` precision, or `unknown`;
    `compute_dtype` what it was held and computed in. `training` is the record of the run, empty if there is
    none.
    """

    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]
    trained_on: TrainedOn
    compute_dtype: str | None
    training: Mapping[str, Any]

    @property
    def base(self) -> str:
        """The model that the adapter names as its base; empty if it names none."""
        return str(self.config.get("base_model_name_or_path") or "")

    @property
    def revision(self) -> str | None:
        """The revision of that model."""
        revision = self.config.get("revision")
        return revision if isinstance(revision, str) else None

    @property
    def vocabulary(self) -> int | None:
        """Rows of the embeddings that come with the adapter; None if none do."""
        rows = [
            each.shape[0]
            for each in self.tensors.values()
            if len(each.shape) == 2
            and "lora_" not in each.name
            and any(part in each.name for part in ("embed_tokens", "wte", "embed_in", "lm_head"))
            and each.name.endswith("weight")
        ]
        return max(rows, default=None)

    def sha256(self) -> str:
        """The SHA-256 of the adapter's weights."""
        return sha256_of(self.folder / _WEIGHTS)


def read_adapter(folder: Path, training: Mapping[str, Any] | None = None) -> AdapterFiles:
    """Look at an adapter's folder. `training` is the record of its run where the folder has none yet.

    Raises DiversityEvalError if it holds none, or one that is no LoRA adapter.
    """
    if not folder.is_dir():
        raise DiversityEvalError(
            f"adapter {folder}: there is no such folder; expected one with adapter_config.json"
        )
    config = _json(folder / "adapter_config.json", f"adapter {folder}")
    if str(config.get("peft_type", "")).upper() != "LORA":
        raise DiversityEvalError(
            f"adapter {folder}: is of the kind {config.get('peft_type')!r}; only LoRA can be merged"
        )
    if config.get("layer_replication"):
        raise DiversityEvalError(
            f"adapter {folder}: replicates layers (layer_replication), which cannot be merged"
        )
    if not (folder / _WEIGHTS).is_file():
        raise DiversityEvalError(f"adapter {folder}: has no {_WEIGHTS}; other formats are not read")
    tensors = stored_tensors([folder / _WEIGHTS], f"adapter {folder}")
    if training is None:
        found = (read_record(folder) or {}).get("training")
        training = found if isinstance(found, dict) else {}
    settings = training.get("settings")
    if not isinstance(settings, Mapping):
        path = folder / _SETTINGS
        settings = _json(path, f"adapter {folder}") if path.is_file() else {}
    return AdapterFiles(
        folder=folder,
        config=config,
        tensors=tensors,
        trained_on=_HELD.get(str(settings.get("quantization")), "unknown"),
        compute_dtype=_compute_dtype(settings, training.get("results")),
        training=training,
    )


def vllm_max_rank(rank: int) -> int | None:
    """The least `max_lora_rank` that vLLM knows and that the rank fits into; None if there is none."""
    return next((most for most in _VLLM_RANKS if most >= rank), None)


def vllm_refuses(config: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> str | None:
    """Why vLLM cannot load an adapter; None if it can, as far as its files say."""
    for name, what in (
        ("modules_to_save", "trained whole layers (modules_to_save)"),
        ("trainable_token_indices", "trained embeddings of single tokens"),
        ("use_dora", "DoRA"),
        ("lora_bias", "biases"),
        ("layer_replication", "replicated layers"),
    ):
        if config.get(name):
            return what
    if config.get("bias") not in (None, "none"):
        return "biases"
    if any("lora_" not in name for name in tensors):
        return "embeddings of its own"
    return None


def _compute_dtype(settings: Mapping[str, Any], results: Any) -> str | None:
    known = results.get("compute_dtype") if isinstance(results, Mapping) else None
    if isinstance(known, str):
        return known
    chosen = settings.get("dtype")
    return chosen if isinstance(chosen, str) and chosen != "auto" else None


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DiversityEvalError(
            f"{what}: has no {path.name}; expected the folder of a peft adapter"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DiversityEvalError(f"{what}: {path.name} cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise DiversityEvalError(f"{what}: {path.name} holds no JSON object")
    return content
