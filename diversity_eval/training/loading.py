"""The base model of a training run: loaded, quantised if asked, with a new adapter if asked."""

from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.settings import TrainSettings

__all__ = ["LoadedModel", "adapter_config", "check_extra", "compute_dtype", "load_base", "load_tokenizer"]

_NEEDED = ("torch", "transformers", "accelerate", "trl", "peft")


class LoadedModel:
    """A base model and what is known of it."""

    def __init__(self, model: Any, was_quantised: bool, source_dtype: str) -> None:
        self.model = model
        self.was_quantised = was_quantised
        """Whether the checkpoint on disk is quantised itself."""
        self.source_dtype = source_dtype
        """The dtype that the checkpoint's weights have on disk, e.g. `bfloat16`."""


def check_extra(settings: TrainSettings) -> None:
    """Raise DiversityEvalError, which names the extra, if a library is missing."""
    from importlib.util import find_spec

    needed = (*_NEEDED, "bitsandbytes") if _needs_bitsandbytes(settings) else _NEEDED
    if missing := [name for name in needed if find_spec(name) is None]:
        raise DiversityEvalError(
            f"training needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed: pip install 'diversity-eval[train]'"
        )


def compute_dtype(settings: TrainSettings) -> Any:
    """What matrices are multiplied in: bfloat16 on CUDA, float32 on a CPU, unless the settings say.

    Most CPUs have no bfloat16 arithmetic and emulate it, many times slower.
    """
    import torch

    if settings.dtype != "auto":
        return getattr(torch, settings.dtype)
    able = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if able else torch.float32


def _needs_bitsandbytes(settings: TrainSettings) -> bool:
    from importlib.util import find_spec

    if settings.quantization == "nf4" or settings.optimizer.endswith("8bit"):
        return True
    if settings.optimizer != "auto" or find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()  # where auto is the paged 8-bit AdamW


def load_tokenizer(settings: TrainSettings) -> Any:
    """The tokenizer of the base model. Raises DiversityEvalError if there is none that can be read."""
    from transformers import AutoTokenizer

    _check_folder(settings.model)
    try:
        return AutoTokenizer.from_pretrained(
            settings.model, revision=settings.revision or "main", trust_remote_code=False
        )
    except Exception as error:  # somebody's files, which may hold anything
        raise DiversityEvalError(f"model {settings.model}: no tokenizer loads: {_said(error)}") from None


def load_base(settings: TrainSettings) -> LoadedModel:
    """The base model, as it will be trained.

    Raises DiversityEvalError: nothing of that name can be had, it is no causal language model, weights are
    missing, or it is quantised and `quantization` says otherwise.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from diversity_eval.training.checkpoints.nf4 import compute_exactly, nf4_config

    _check_folder(settings.model)
    where: dict[str, Any] = {"revision": settings.revision or "main", "trust_remote_code": False}
    dtype = compute_dtype(settings)
    name = settings.model
    try:
        config = AutoConfig.from_pretrained(name, **where)
    except Exception as error:  # somebody's files, here and below
        raise DiversityEvalError(f"model {name}: no configuration loads: {_said(error)}") from None
    stored = getattr(config, "quantization_config", None)
    arguments: dict[str, Any] = {"dtype": dtype}
    if stored is not None:
        _check_stored(name, stored, settings)
        if _field(stored, "bnb_4bit_compute_dtype") not in (
            None,
            str(dtype),
            str(dtype).removeprefix("torch."),
        ):
            arguments["quantization_config"] = nf4_config(dtype)
    elif settings.quantization == "nf4":
        arguments["quantization_config"] = nf4_config(dtype)
    elif not settings.lora:
        # Small updates are lost in bfloat16 weights: they are kept in float32, and computed in `dtype` by
        # autocast.
        arguments["dtype"] = torch.float32
    if settings.quantization == "nf4":
        arguments["device_map"] = {"": _device()}
    text = config.get_text_config()
    if getattr(text, "attn_logit_softcapping", None) is not None:
        # The fused attention leaves the cap out (Gemma 2), and says nothing.
        arguments["attn_implementation"] = "eager"
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            name, output_loading_info=True, **where, **arguments
        )
    except Exception as error:  # which may be cut off or hold anything
        raise DiversityEvalError(f"model {name}: does not load: {_said(error)}") from None
    if missing := sorted(loading.get("missing_keys") or ()):
        raise DiversityEvalError(
            f"model {name}: has no weights for {', '.join(missing[:3])}; expected a causal language model "
            "with all its weights"
        )
    if settings.quantization == "nf4":
        compute_exactly(model)
    source = str(getattr(text, "dtype", None) or "float32").removeprefix("torch.")
    return LoadedModel(model, stored is not None, source)


def adapter_config(settings: TrainSettings) -> Any:
    """LoRA on every linear layer but the output layer; None if all weights are trained."""
    if not settings.lora:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        bias="none",
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        revision=settings.revision,
    )


def _device() -> Any:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    from accelerate import PartialState

    return PartialState().local_process_index


def _check_stored(name: str, stored: Any, settings: TrainSettings) -> None:
    method, kind = _field(stored, "quant_method"), _field(stored, "bnb_4bit_quant_type")
    method = getattr(method, "value", method)
    if method != "bitsandbytes" or kind != "nf4":
        raise DiversityEvalError(
            f"model {name}: is quantised with {method}; expected full precision, or NF4 as `diversity-eval "
            "quantize` writes it"
        )
    if settings.quantization != "nf4":
        raise DiversityEvalError(
            f"model {name}: is NF4 already; say quantization nf4, or name the original weights"
        )


def _field(stored: Any, name: str) -> Any:
    return stored.get(name) if isinstance(stored, dict) else getattr(stored, name, None)


def _check_folder(name: str) -> None:
    path = Path(name).expanduser()
    if path.is_dir():
        return
    if name.startswith(("/", "./", "../", "~")) or name.count("/") > 1:
        raise DiversityEvalError(f"model {name}: there is no such folder")


def _said(error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}"[:400]
