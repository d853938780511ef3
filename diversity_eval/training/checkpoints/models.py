"""Loading a causal language model as a plain or a quantised one, and saving it for others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.folders import TOKENIZER_FILES, copy_files
from diversity_eval.training.checkpoints.model_files import ModelFiles, said
from diversity_eval.training.checkpoints.nf4 import compute_exactly

__all__ = ["load_model", "load_tokenizer", "save_model"]


def load_model(files: ModelFiles, dtype: Any, *, quantization: Any = None) -> Any:
    """The model on the CPU, ready for inference. Raises DiversityEvalError if it fails or weights are
    missing.

    On the CPU, so that the same files give the same result on every machine.
    """
    from transformers import AutoModelForCausalLM

    arguments: dict[str, Any] = {"dtype": dtype, "device_map": {"": "cpu"}}
    if quantization is not None:
        arguments["quantization_config"] = quantization
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            files.folder,
            output_loading_info=True,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            attn_implementation="eager",  # the fused one leaves Gemma 2's cap out, and says nothing
            **arguments,
        )
    except Exception as error:  # the files are somebody's, and may be cut off or hold anything
        raise DiversityEvalError(f"model {files.name}: does not load: {said(error)}") from None
    # transformers fills what a checkpoint lacks with random numbers, and only warns.
    if missing := sorted(loading.get("missing_keys") or ()):
        raise DiversityEvalError(
            f"model {files.name}: has no weights for {', '.join(missing[:3])}; expected a causal language "
            "model with all its weights"
        )
    if getattr(model, "is_loaded_in_4bit", False):
        compute_exactly(model)
    return model.eval()


def load_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer of a folder. Raises DiversityEvalError if there is none that can be read."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # somebody's files
        raise DiversityEvalError(f"model {name}: no tokenizer loads: {said(error)}") from None


def save_model(model: Any, folder: Path, *, tokenizer: Path, generation: Sequence[Path]) -> None:
    """Write weights (safetensors), configuration, the tokenizer of one folder and the generation settings of
    the first folder that has some.

    Raises DiversityEvalError if it can't be written.
    """
    from safetensors import SafetensorError
    from transformers import GenerationConfig

    named = "generation_config.json"
    settings = next((path for path in generation if (path / named).is_file()), None)
    if settings is not None:
        # Copied below: some published settings contradict themselves, and transformers refuses to save those.
        model.generation_config = GenerationConfig()
    try:
        model.save_pretrained(folder)
        copy_files(tokenizer, TOKENIZER_FILES, folder)
        if settings is not None:
            copy_files(settings, (named,), folder)
    except (OSError, SafetensorError) as error:
        raise DiversityEvalError(f"{folder.parent}: cannot be written ({said(error)})") from None
