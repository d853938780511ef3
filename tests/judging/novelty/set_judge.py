"""A server for the questions about pairs and sets of responses, whose true answers are known."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.judging.faulty_judge import START, FaultyJudge, tokens_of

BLOCK = re.compile(r"<response-([0-9]+)>\n(.*?)\n</response-\1>", re.DOTALL)


def shown_in(prompt: str) -> dict[int, str]:
    """The numbered responses in a question."""
    return {int(number): text for number, text in BLOCK.findall(prompt)}


def idea(text: str) -> str:
    """What a response says: its first word."""
    return (text.lower().split() or [""])[0]


def score(text: str) -> int:
    """What it is worth, 1 to 10."""
    return 1 + len(text) % 10


def true_groups(texts: dict[int, str]) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for number, text in texts.items():
        groups.setdefault(idea(text), []).append(number)
    return list(groups.values())


def answer_to(prompt: str) -> str:
    """What a judge without fault writes."""
    texts = shown_in(prompt)
    if '"groups"' in prompt:
        return json.dumps({"groups": true_groups(texts)})
    return json.dumps({"scores": [score(text) for text in texts.values()]})


def groups_asked(judge: FaultyJudge) -> list[str]:
    """The questions for groups that arrived, each once."""
    return [prompt for prompt in judge.requests if '"groups"' in prompt]


def scores_asked(judge: FaultyJudge) -> list[str]:
    return [prompt for prompt in judge.requests if '"scores"' in prompt]


@dataclass
class SetJudge(FaultyJudge):
    """Writes `reply(prompt)`."""

    reply: Callable[[str], str] = answer_to

    def _reply(self, prompt: str, prefilled: bool) -> tuple[str, int | None]:
        return self.reply(prompt), None


@dataclass
class PairJudge(FaultyJudge):
    """Rates a pair 1 if both have the same first word, else 0.

    Attributes:
        certainty: the probability of its rating; the other one gets 0.05.
    """

    certainty: float = 0.85

    def _reply(self, prompt: str, prefilled: bool) -> tuple[str, int | None]:
        verdict = f"{'' if prefilled else START} {self.rating(prompt)}"
        return verdict, len(tokens_of(verdict)) - 1

    def rating(self, prompt: str) -> int:
        texts = shown_in(prompt)
        return int(idea(texts[1]) == idea(texts[2])) if texts else 1  # the backend's check has none

    def _likeliest(self, prompt: str, token: str, is_digit: bool) -> list[tuple[str, float]]:
        if not is_digit:
            return super()._likeliest(prompt, token, is_digit)
        rating = self.rating(prompt)
        shares = {str(rating): self.certainty, str(1 - rating): 0.05, " well": 0.02}
        return [(text, math.log(share)) for text, share in shares.items()]
