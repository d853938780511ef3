"""What a reward model's server answers, read with distrust.

Two forms are known: that of `/classify` (`data`, one entry with `probs`, which are raw logits where the
activation is switched off) and that of `/pooling` (`data`, one entry with `data`).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diversity_eval.judging.backends.server_replies import AttemptError

__all__ = ["NoRewardError", "RewardReply", "read_reward"]


class NoRewardError(Exception):
    """A complete answer of a model that gives no rewards; its text says what it gives, as a predicate."""


@dataclass(frozen=True, slots=True)
class RewardReply:
    """A complete and well-formed answer.

    Attributes:
        value: the one number; None if it is not finite, or no number at all.
        model: which model the server says it was.
        tokens: of the conversation, by the server's count; None if it does not count.
    """

    value: float | None
    model: str = ""
    tokens: int | None = None


def read_reward(body: bytes) -> RewardReply:
    """The reward in the body of a response with status 200.

    Raises:
        AttemptError: the body is not JSON, or nothing like a reward.
        NoRewardError: there is not one number for the response but several, or one for each token.
    """
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        raise AttemptError("the answer is not JSON", _shown(body)) from None
    try:
        (entry,) = loaded["data"]
        classified = "probs" in entry
        numbers = entry["probs"] if classified else entry["data"]
        if not isinstance(numbers, list) or not numbers:
            raise TypeError
    except (LookupError, TypeError, ValueError):
        raise AttemptError("the answer is JSON but no reward", _shown(body)) from None
    if any(isinstance(number, list) for number in numbers):
        raise NoRewardError(
            "serves a model that gives numbers for every token; a reward model has one for all of them"
        )
    if len(numbers) > 1:
        what = "has {} labels" if classified else "gives {} numbers for a response, as embedding models do"
        raise NoRewardError(f"serves a model that {what.format(len(numbers))}; a reward model has one")
    model = loaded.get("model")
    return RewardReply(_finite(numbers[0]), model if isinstance(model, str) else "", _tokens(loaded))


def _finite(number: Any) -> float | None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    try:
        value = float(number)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _tokens(loaded: Mapping[str, Any]) -> int | None:
    usage = loaded.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 10**9 else None


def _shown(body: bytes) -> str:
    return body.decode("utf-8", "replace")
