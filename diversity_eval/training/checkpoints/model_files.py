"""A causal language model's files on this machine: found, fetched, and looked at before anything is
loaded.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from diversity_eval.data.files import sha256_of
from diversity_eval.errors import DiversityEvalError

__all__ = ["DTYPES", "ModelFiles", "StoredTensor", "check_libraries", "find_model", "said", "stored_tensors"]

DTYPES = {"bfloat16": 2, "float16": 2, "float32": 4}
"""The dtypes that a checkpoint may be written in, with the bytes of one number."""

_STORED = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
_WANTED = (
    "*.json",
    "*.safetensors",
    "*.jinja",
    "*.model",
    "*.txt",
    "*.tiktoken",
    "*.md",
    "LICENSE*",
    "NOTICE*",
)
# Subfolders, and what some authors add in a layout of their own.
_UNWANTED = ("*/*", "consolidated*")
_EXTRA = "pip install 'diversity-eval[train]'"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file; `dtype` as torch calls it, or as the file does."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class ModelFiles:
    """A checkpoint: `name` and `revision` as they were given, `commit` of a Hub model, and what its files
    say.

    `quantization` is the checkpoint's own quantization_config, empty if its weights are plain.
    """

    name: str
    revision: str | None
    folder: Path
    commit: str | None
    config: Any
    quantization: Mapping[str, Any]
    weight_files: tuple[Path, ...]
    tensors: Mapping[str, StoredTensor]

    @property
    def is_nf4(self) -> bool:
        """Whether the weights are held in NF4 of bitsandbytes."""
        method = self.quantization.get("quant_method")
        return (
            str(getattr(method, "value", method)) == "bitsandbytes"
            and self.quantization.get("bnb_4bit_quant_type") == "nf4"
            and bool(self.quantization.get("load_in_4bit"))
        )

    @property
    def dtype(self) -> str:
        """What most of its floating-point numbers are stored in."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors.values():
            if tensor.dtype in DTYPES and ".quant_map" not in tensor.name and "absmax" not in tensor.name:
                counts[tensor.dtype] += tensor.elements
        return max(counts, key=lambda dtype: counts[dtype]) if counts else "bfloat16"

    @property
    def weight_bytes(self) -> int:
        """The size of the weights on disk."""
        return sum(path.stat().st_size for path in self.weight_files)

    def sha256(self) -> dict[str, str]:
        """The SHA-256 of each weights file, by its name."""
        return {path.name: sha256_of(path) for path in self.weight_files}


def check_libraries(names: Iterable[str], what: str) -> None:
    """Raise DiversityEvalError, which names the extra, if a library is missing."""
    from importlib.util import find_spec

    if missing := [name for name in names if find_spec(name) is None]:
        raise DiversityEvalError(f"{what} needs {', '.join(missing)}, not installed here: {_EXTRA}")


def find_model(name: str, revision: str | None = None) -> ModelFiles:
    """The files of a folder or of a Hub model, which is fetched if it is not here yet.

    Only safetensors weights count: other formats can run code when they are read. Raises DiversityEvalError:
    nothing of that name can be had, it is an adapter, it is no causal language model, or files are damaged.
    """
    folder = Path(name).expanduser()
    commit = None
    if not name or not folder.is_dir():
        if not name or name.startswith(("/", "./", "../", "~")) or name.count("/") > 1 or folder.exists():
            raise DiversityEvalError(
                f"model {name!r}: there is no such folder; expected a checkpoint, or a Hub id"
            )
        folder = _fetch(name, revision)
        commit = folder.name
    if (folder / "adapter_config.json").is_file():
        raise DiversityEvalError(
            f"model {name}: is an adapter, not a model; name its base, or its merged checkpoint (`train "
            "--merge`)"
        )
    if not (folder / "config.json").is_file():
        raise DiversityEvalError(f"model {name}: has no config.json; expected the folder of a checkpoint")
    config, quantization = _config(name, folder)
    files = _weight_files(name, folder)
    return ModelFiles(
        name, revision, folder, commit, config, quantization, files, stored_tensors(files, f"model {name}")
    )


def stored_tensors(files: Iterable[Path], what: str) -> dict[str, StoredTensor]:
    """The tensors of safetensors files by name, from their headers. Raises DiversityEvalError if one is
    damaged.
    """
    from safetensors import SafetensorError, safe_open

    found: dict[str, StoredTensor] = {}
    for path in files:
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118  # no mapping
                    part = file.get_slice(name)
                    dtype = str(part.get_dtype())
                    found[name] = StoredTensor(name, path, tuple(part.get_shape()), _STORED.get(dtype, dtype))
        except (SafetensorError, OSError) as error:
            raise DiversityEvalError(
                f"{what}: {path.name} cannot be read ({said(error)}); fetch it again"
            ) from None
    return found


def said(error: BaseException) -> str:
    """What a library said, on one line, with its kind where it said nothing or only a key."""
    words = " ".join(str(error).split())[:400]
    return words if words and not isinstance(error, KeyError) else f"{type(error).__name__} {words}".strip()


def _fetch(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    where = f"{name} at {revision}" if revision else name
    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED)
            )
        )
    except Exception as error:  # an invalid name, no such model, a gated one, no network
        raise DiversityEvalError(
            f"model {where}: is no folder here, and the Hub does not give it: {said(error)}"
        ) from None


def _config(name: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # somebody's file, which may hold anything
        raise DiversityEvalError(f"model {name}: its config.json cannot be used: {said(error)}") from None
    architectures = [str(each) for each in getattr(config, "architectures", None) or ()]
    known = {each for value in CAUSAL.values() for each in ((value,) if isinstance(value, str) else value)}
    if getattr(config, "is_encoder_decoder", False) or config.model_type not in CAUSAL:
        raise DiversityEvalError(f"model {name}: {config.model_type} is not a causal language model")
    if architectures and not known.intersection(architectures):
        raise DiversityEvalError(
            f"model {name}: is a {architectures[0]}, not a causal language model (…ForCausalLM); name "
            "another one"
        )
    stored = getattr(config, "quantization_config", None)
    if stored is not None and not isinstance(stored, dict):
        stored = stored.to_dict()
    return config, dict(stored or {})


def _weight_files(name: str, folder: Path) -> tuple[Path, ...]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise DiversityEvalError(f"model {name}: {index.name} cannot be read; fetch it again") from None
        # A name that leads out of the folder is nobody's honest checkpoint.
        odd = [str(each) for each in names if not isinstance(each, str) or Path(each).name != each]
        absent = sorted(str(each) for each in names if not (folder / str(each)).is_file())
        if odd or absent:
            raise DiversityEvalError(f"model {name}: lacks {', '.join((odd or absent)[:3])}; fetch it again")
        return tuple(folder / each for each in sorted(names))
    if (folder / "model.safetensors").is_file():
        return (folder / "model.safetensors",)
    raise DiversityEvalError(
        f"model {name}: has no model.safetensors; other formats are not read, since they can run code. "
        "Convert it with transformers' save_pretrained"
    )
