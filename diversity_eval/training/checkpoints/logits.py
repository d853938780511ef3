"""What two forms of one model say to the same tokens."""

import os
from typing import Any

__all__ = ["CHECK_TEXT", "check_tokens", "largest_difference", "logits_of", "room_for_float32"]

CHECK_TEXT = (
    "The ferry left at noon with nine people, two dogs and a crate of lemons; nobody asked where it was going."
)
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
    """Whether a model of that size fits into free memory twice over in float32; true if that is not known."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return True
    return 5 * parameters <= free  # four bytes each, and work
