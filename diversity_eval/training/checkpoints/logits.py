"""What two forms of one model say to the same tokens."""

from pathlib import Path
from typing import Any

__all__ = ["CHECK_TEXT", "check_tokens", "largest_difference", "logits_of", "room_for_float32"]

CHECK_TEXT = "The ferry left at noon with nine people, two dogs and a crate of lemons; nobody asked where to."
"""The text whose logits are compared."""


def check_tokens(tokenizer: Any, vocabulary: int) -> list[int]:
    """The ids of the text, those that the model has embeddings for."""
    ids = [token for token in tokenizer(CHECK_TEXT).input_ids if token < vocabulary]
    return ids or [0]


def logits_of(model: Any, ids: list[int]) -> Any:
    """Logits (tokens, vocabulary) in float32."""
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0].float().clone()


def largest_difference(first: Any, second: Any) -> float:
    """The largest absolute difference of two arrays of logits; nan if either holds one."""
    return float((first - second).abs().max())


def room_for_float32(parameters: int) -> bool:
    """Whether a model of that size fits into free memory in float32; true if that is not known."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):  # not Linux
        return True
    return 5 * parameters <= free  # four bytes each, and work
