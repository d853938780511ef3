"""A reward model over real HTTP that misbehaves as told, and whose true rewards are known."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.judging.faulty_judge import FaultyJudge


def true_reward(prompt: str, response: str, low: float = -9.0, high: float = 9.0) -> float:
    """What this model thinks of a response, between `low` and `high`."""
    digest = hashlib.sha256(f"{prompt}\0{response}".encode()).digest()
    return low + (high - low) * int.from_bytes(digest[:4], "big") / 2**32


@dataclass
class FaultyReward(FaultyJudge):
    """As vLLM's pooling runner, with the faults of `FaultyJudge`.

    Attributes:
        low, high: where rewards lie.
        switches: the fields that switch the activation off; without one it is on.
        sigmoid: what the activation is; else nothing.
        labels: numbers for a response.
        per_token: so many numbers for every token.
        values: by a text in the prompt, what is given instead of a reward.
    """

    low: float = -9.0
    high: float = 9.0
    switches: tuple[str, ...] = ("use_activation",)
    sigmoid: bool = True
    labels: int = 1
    per_token: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[str, ...] = ("/classify", "/pooling")

    def answer(self, body: dict[str, Any], prompt: str) -> dict[str, Any]:
        response = body["messages"][1]["content"] if "messages" in body else ""
        number: Any = true_reward(prompt, response, self.low, self.high)
        if self.sigmoid and not any(body.get(switch) is False for switch in self.switches):
            number = 1 / (1 + math.exp(-number))
        for text, value in self.values.items():
            if text in prompt:
                number = value
        numbers: list[Any] = [number] * self.labels
        if self.per_token:
            numbers = [numbers, numbers]
        # A task is named to /pooling only, whose entries are laid out differently.
        entry = {"data": numbers} if "task" in body else {"label": "LABEL_0", "probs": numbers}
        # Its base class repeats the key in the first choice.
        return {"model": "a-reward", "data": [entry], "usage": {"prompt_tokens": 7}, "choices": [{}]}
