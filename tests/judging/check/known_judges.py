"""Responses of our own and judges whose behaviour is known, for checking the check."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from diversity_eval.judging.check import Case
from diversity_eval.judging.config import JudgeConfig, load_judge
from diversity_eval.judging.verdict import Verdict, verdict_from_probabilities

RUBRIC = (
    "Grade from {{ lowest }} to {{ highest }}.\n[prompt]\n{{ prompt }}\n[response]\n{{ response }}\n[end]"
)
_PARTS = re.compile(r"\[prompt]\n(.*)\n\[response]\n(.*?)\n?\[end]", re.DOTALL)

_PEOPLE = (
    "Mara",
    "Old Tom",
    "The twins",
    "Doctor Lind",
    "My aunt",
    "Jonas",
    "The captain",
    "Ines",
    "Piet",
    "Ada",
)
_THINGS = (
    "a kite",
    "the blue door",
    "three eggs",
    "her lantern",
    "a stray goat",
    "the last train",
    "his violin",
)
_PLACES = (
    "by the canal",
    "behind the mill",
    "on the roof",
    "at the market",
    "near the old pier",
    "in the attic",
)

_FOUND = (
    "One grey morning",
    "Just as the bells began to ring and the shops were closing,",
    "It was the youngest child who noticed first that",
    "Years later, when all hope had gone,",
)
_THEN = (
    "Nobody believed it, so the whole street came running to look.",
    "There was cake for everyone that evening and not a crumb was left!",
    "But it was broken beyond repair. They buried it without saying a word to the neighbours.",
    "A letter lay beside it, written in green ink and signed by a stranger from the north.",
    "From then on the house felt lighter, as though a window had been opened at last.",
)


def story_cases(count: int, *, human: bool = False) -> list[Case]:
    """Stories with endings of two sentences; every prompt and every ending is another one."""
    cases = []
    for i in range(count):
        who, what, where = _PEOPLE[i % 10], _THINGS[i % 7], _PLACES[i % 6]
        prompt = f"Story {i}. {who} had been looking for {what} since spring."
        found, then = _FOUND[i % 4], _THEN[i % 5]
        response = f"{found} {what} turned up {where}, number {i} of many. {then}"
        cases.append(Case(f"story/{i}", "story", prompt, response, float(i % 6) if human else None))
    return cases


def judge_config(folder: Path, mode: str = "generate", **changes: Any) -> JudgeConfig:
    """A judge whose rubric shows prompt and response plainly, so that the judges below can read them."""
    (folder / "plain.jinja").write_text(RUBRIC, encoding="utf-8")
    path = folder / "known.yaml"
    path.write_text(
        "backend: server\nbase_url: http://127.0.0.1:9/v1\nmodel: known\nrubric: plain.jinja\n"
        f"mode: {mode}\n",
        encoding="utf-8",
    )
    return load_judge(str(path), changes)


class KnownJudge:
    """A backend that decides by a function of prompt and response; None leaves unscored.

    In `rate` mode the distribution lies on the two ratings around the decision, so that its mean is the
    decision.
    """

    def __init__(self, config: JudgeConfig, decide: Callable[[str, str], float | None]) -> None:
        self._config = config
        self._decide = decide
        self.asked: list[list[tuple[str, str]]] = []
        self.closed = False

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        assert not self.closed
        found = [_PARTS.search(prompt) for prompt in prompts]
        shown = [(match[1], match[2]) for match in found if match is not None]
        assert len(shown) == len(prompts)
        self.asked.append(shown)
        for index, (prompt, response) in enumerate(shown):
            on_verdict(index, self._verdict(self._decide(prompt, response)))

    def signature_fields(self) -> dict[str, str]:
        """As the judge itself."""
        return {}

    def record(self) -> dict[str, Any]:
        return {"known": True}

    def close(self) -> None:
        assert not self.closed
        self.closed = True

    def _verdict(self, decision: float | None) -> Verdict:
        if decision is None:
            return Verdict(None, "no idea", "the reply holds no valid rating")
        if self._config.mode == "generate":
            return Verdict(round(decision), f"Total rating: {round(decision)}")
        below = min(int(decision), self._config.highest - 1)
        probabilities = [0.0] * (self._config.highest - self._config.lowest + 1)
        probabilities[below] = 1 - (decision - below)
        probabilities[below + 1] = decision - below
        return verdict_from_probabilities(probabilities, self._config.lowest)


class Opener:
    """Opens a known judge for each configuration, and keeps what it opened."""

    def __init__(self, decide: Callable[[str, str], float | None]) -> None:
        self._decide = decide
        self.opened: list[KnownJudge] = []

    def __call__(self, config: JudgeConfig) -> KnownJudge:
        self.opened.append(KnownJudge(config, self._decide))
        return self.opened[-1]


def ideal(cases: Sequence[Case]) -> Callable[[str, str], float]:
    """Knows the right text: five times the share of a response's word pairs that are in it, as often.

    A text that merely ends early keeps all its pairs but the one that a cut word spoils.
    """
    right = {case.prompt: _word_pairs(case.response) for case in cases}

    def decide(prompt: str, response: str) -> float:
        found = _word_pairs(response)
        if not found:
            return 0.0
        hits = (found & right[prompt]).total() + (1 if len(found) > 2 else 0)
        return 5.0 * min(1.0, hits / found.total())

    return decide


def blind(prompt: str, response: str) -> float:
    return 3.0


def length_lover(prompt: str, response: str) -> float:
    return min(5.0, len(response) / 200)


class Moody:
    """Rates by whim: the same question gets another answer each time."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, prompt: str, response: str) -> float:
        self._count += 1
        return float(hashlib.sha256(str(self._count).encode()).digest()[0] % 6)


def _word_pairs(text: str) -> Counter[tuple[str, str]]:
    words = text.split()
    return Counter(pairwise(words))
