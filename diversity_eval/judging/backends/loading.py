"""Loading a model that judges into this process, and whether it fits."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from diversity_eval.errors import DiversityEvalError

__all__ = [
    "LocalModel",
    "available_bytes",
    "check_quantization",
    "check_room",
    "chosen_device",
    "load_model",
    "needed_bytes",
]

_NF4_BITS = 4.13  # four, and the scales of blocks of 64, themselves quantised
_ROOM_TO_WORK = 1 << 30  # activations and the cache of keys and values
_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I16": 2}
# Tiny, and what comes out of them is compared with thresholds.
_HEADS = ["classifier", "score", "pooler", "classification_head"]
_DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2}


class LocalModel(Protocol):
    """What a configuration has to say of a model that runs in this process."""

    @property
    def label(self) -> str:
        """What messages call it, e.g. `judge small-local`."""

    @property
    def model(self) -> str:
        """Hub id or folder."""

    @property
    def revision(self) -> str | None:
        """Branch or commit on the Hub; None for its main branch."""

    @property
    def tokenizer(self) -> str | None:
        """Hub id or folder of the tokenizer; None if the model has it."""

    @property
    def dtype(self) -> str:
        """`auto`, or one of torch's floating types."""

    @property
    def device(self) -> str:
        """`auto`, `cpu`, `cuda`, `cuda:1`, ..."""

    @property
    def quantization(self) -> str:
        """`none`, `nf4`, or what the checkpoint is already."""


def load_model(config: LocalModel, head: Literal["causal", "classification"] = "causal") -> tuple[Any, Any]:
    """The model, ready for inference, and its tokenizer.

    Raises DiversityEvalError: the extra is missing, nothing of that name can be had, it does not fit into the
    memory that is free, loading fails, or the checkpoint has no weights for a classification head.
    """
    try:
        import torch
        from transformers import (
            AutoConfig,
            AutoModelForCausalLM,
            AutoModelForSequenceClassification,
            AutoTokenizer,
        )
    except ImportError as error:
        raise DiversityEvalError(
            f"{config.label} needs torch and transformers ({error}): pip install 'diversity-eval[judge]'"
        ) from None
    device = chosen_device(config)
    check_room(config, device)
    arguments: dict[str, Any] = {"revision": config.revision or "main", "trust_remote_code": False}
    model_arguments: dict[str, Any] = {"dtype": _dtype(config)}
    placed = find_spec("accelerate") is not None  # a vLLM environment may not have it, and can do without
    if placed:
        over_all_cards = device == "cuda" and config.device == "auto"
        model_arguments["device_map"] = "auto" if over_all_cards else {"": device}
    if config.quantization == "nf4":
        model_arguments["quantization_config"] = _nf4(_HEADS if head == "classification" else None)
        if model_arguments["dtype"] == "auto":
            model_arguments["dtype"] = torch.bfloat16
    tokenizer_name, tokenizer_arguments = config.tokenizer or config.model, arguments
    if tokenizer_name != config.model and not Path(tokenizer_name).is_dir():
        # `revision` is of the model's repository; a tokenizer from another one may name its own: NAME@COMMIT.
        tokenizer_name, _, commit = tokenizer_name.partition("@")
        tokenizer_arguments = {**arguments, "revision": commit or "main"}
    auto = AutoModelForCausalLM if head == "causal" else AutoModelForSequenceClassification
    if _is_no_folder(config.model):
        raise DiversityEvalError(f"{config.label}: there is no folder {config.model}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_name, **tokenizer_arguments)
        settings = AutoConfig.from_pretrained(config.model, **arguments)
        if getattr(settings.get_text_config(), "attn_logit_softcapping", None) is not None:
            # The fused attention leaves the cap out (Gemma 2), and says nothing.
            model_arguments["attn_implementation"] = "eager"
        model, loading = auto.from_pretrained(
            config.model, output_loading_info=True, **arguments, **model_arguments
        )
    except Exception as error:  # the files are somebody's, and may be cut off or hold anything
        said = " ".join(str(error).split())
        if isinstance(error, KeyError) or not said:
            said = f"{type(error).__name__} {said}".strip()
        lacking = [name for name in ("sentencepiece", "google.protobuf") if not _installed(name)]
        if lacking and ("tiktoken" in said or "sentencepiece" in said.lower()):
            # What transformers says when it cannot read an spm.model names the wrong library.
            raise DiversityEvalError(
                f"{config.label}: reading its tokenizer takes sentencepiece and protobuf: "
                "pip install 'diversity-eval[judge]'"
            ) from None
        if "tiktoken" in said:
            raise DiversityEvalError(
                f"{config.label}: the tokenizer files of {tokenizer_name} cannot be read; fetch them again"
            ) from None
        raise DiversityEvalError(f"{config.label}: {config.model} does not load: {said[:400]}") from None
    # transformers fills a head that a checkpoint lacks with random numbers, and only warns.
    if missing := sorted(loading.get("missing_keys") or ()):
        raise DiversityEvalError(
            f"{config.label}: {config.model} has no weights for {', '.join(missing[:3])}, so it is not a "
            f"{'language model' if head == 'causal' else 'sequence classification model'} that was trained; "
            "name another checkpoint"
        )
    check_quantization(config, getattr(model.config, "quantization_config", None) is not None)
    return (model if placed else model.to(device)).eval(), tokenizer


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _is_no_folder(model: str) -> bool:
    """Whether the name can only be a path, and nothing is there."""
    looks = model.startswith(("/", "./", "../", "~")) or model.count("/") > 1
    return looks and not Path(model).expanduser().is_dir()


def check_quantization(config: LocalModel, quantised: bool) -> None:
    """Raise DiversityEvalError if the weights are not held as `quantization`, and so the signature, says."""
    if quantised and config.quantization == "none":
        raise DiversityEvalError(
            f"{config.label}: {config.model} is quantised, but `quantization` says none; say how, "
            "e.g. awq-int4: it is part of the signature"
        )
    if not quantised and config.quantization != "none":
        raise DiversityEvalError(
            f"{config.label}: `quantization` says {config.quantization}, but the weights of "
            f"{config.model} are not quantised; write nf4 to have that done here, or none"
        )


def chosen_device(config: LocalModel) -> str:
    """The device of the YAML; `auto` is CUDA where there is any, else the CPU."""
    import torch

    here = torch.cuda.is_available()
    device = ("cuda" if here else "cpu") if config.device == "auto" else config.device
    cards = [f"cuda:{card}" for card in range(torch.cuda.device_count())] if here else []
    if device not in ("cpu", "mps", *(["cuda"] if here else []), *cards):
        raise DiversityEvalError(
            f"{config.label}: there is no device {device!r} here; expected auto, cpu"
            + "".join(f", {name}" for name in (["cuda", *cards] if here else []))
        )
    return device


def check_room(config: LocalModel, device: str) -> None:
    """Raise DiversityEvalError if the model needs more memory than the device has free.

    One whose files are not here yet is not checked: its size is not known.
    """
    needed, free = needed_bytes(config), available_bytes(device)
    if needed is not None and free is not None and needed > free:
        raise DiversityEvalError(
            f"{config.label} needs about {needed / 2**30:.1f} GiB on {device}, where "
            f"{free / 2**30:.1f} GiB are free; free memory, use a smaller or quantised model, or one on a "
            "server"
        )


def needed_bytes(config: LocalModel) -> int | None:
    """Memory for weights and work, from the headers of the safetensors files; None if they are not here."""
    files = _weight_files(config)
    if not files:
        return None
    total = 0.0
    for path in files:
        for name, entry in _header(path).items():
            if name == "__metadata__":
                continue
            try:
                begin, end = entry["data_offsets"]
                size = float(end - begin)
                dtype, shape = str(entry["dtype"]), list(entry["shape"])
            except (KeyError, TypeError, ValueError):
                continue  # a broken file, which loading will say
            floating = dtype in _BYTES and dtype[0] in "FB"
            if floating:
                elements = size / _BYTES[dtype]
                inner = len(shape) == 2 and not any(part in name for part in ("embed", "lm_head"))
                if config.quantization == "nf4" and inner:
                    size = elements * _NF4_BITS / 8
                elif config.quantization == "nf4":
                    size = elements * 2
                elif config.dtype in _DTYPES:
                    size = elements * _DTYPES[config.dtype]
            total += size
    return int(total) + _ROOM_TO_WORK


def available_bytes(device: str) -> int | None:
    """Free memory: of all cards for `cuda`, of one for `cuda:1`, of this machine else; None if unknown."""
    if device.startswith("cuda"):
        import torch

        cards = [int(device[5:])] if device[5:].isdecimal() else range(torch.cuda.device_count())
        return sum(torch.cuda.mem_get_info(card)[0] for card in cards)
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _weight_files(config: LocalModel) -> list[Path]:
    folder = Path(config.model)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(config.model, revision=config.revision, local_files_only=True))
        except (LocalEntryNotFoundError, OSError, ValueError):
            return []
    # Some repositories hold the weights a second time, in the layout of their authors.
    return sorted(folder.glob("*.safetensors"))


def _header(path: Path) -> dict[str, Any]:
    """The table of contents of a safetensors file (length in 8 bytes, then JSON); empty if it is none."""
    import json

    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < 100 << 20 else {}
    except (OSError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}


def _dtype(config: LocalModel) -> Any:
    import torch

    if config.dtype == "auto":
        return "auto"
    if config.dtype not in _DTYPES:
        raise DiversityEvalError(
            f"{config.label}: dtype {config.dtype!r}: expected auto, {', '.join(_DTYPES)}"
        )
    return getattr(torch, config.dtype)


def _nf4(full: list[str] | None) -> Any:
    """Double quantisation, bfloat16 compute; the modules in `full` stay as they are."""
    try:
        import accelerate  # noqa: F401
        import bitsandbytes  # noqa: F401  # transformers' own message does not name our extra
        import torch
        from transformers import BitsAndBytesConfig
    except ImportError as error:
        raise DiversityEvalError(
            f"quantization: nf4 needs bitsandbytes, accelerate ({error}): pip install 'diversity-eval[judge]'"
        ) from None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=full,
    )
