"""What all models that transformers runs in this process share once they are loaded."""

from typing import Any

__all__ = ["is_out_of_memory", "longest_input", "release_memory", "running_record"]


def longest_input(model: Any, tokenizer: Any, most: int | None = None) -> int | None:
    """How many tokens a model takes: the least of what it, its tokenizer and `most` say, if any does."""
    text_config = model.config.get_text_config()
    known = [
        length
        for length in (
            most,
            getattr(text_config, "max_position_embeddings", None),
            getattr(tokenizer, "model_max_length", None),
        )
        if isinstance(length, int) and 0 < length < 10**9
    ]
    return min(known, default=None)


def running_record(model: Any) -> dict[str, Any]:
    """Device, dtype, commit and library versions, for the results file."""
    import torch
    import transformers

    return {
        "device": str(model.device),
        "dtype": str(model.dtype),
        "commit": getattr(model.config, "_commit_hash", None),
        "packages": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device's memory did not suffice; a CPU's allocator says so in words only."""
    import torch

    said = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in said or "not enough memory" in said)
    )


def release_memory() -> None:
    """Give back the memory of models that nothing refers to any more."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
