"""A pair test and a reward model that count what they are asked, and fail when told to."""

from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.judging.novelty.items import Answer, Comparison, Pair, Reward


class CountingTest:
    """Answers by a function of two texts, in batches of two, the last batch first."""

    def __init__(self, says: Callable[[str, str], Comparison], *, breaks_after: int | None = None) -> None:
        self.says = says
        self.asked: list[tuple[str, str]] = []
        self.calls = 0
        self.closed = False
        self._breaks_after = breaks_after

    def compare(
        self, pairs: Sequence[Pair], on_results: Callable[[Sequence[tuple[int, Comparison]]], None]
    ) -> None:
        self.calls += 1
        assert pairs
        for begin in reversed(range(0, len(pairs), 2)):
            batch = []
            for index, (a, b) in list(enumerate(pairs))[begin : begin + 2]:
                if self._breaks_after is not None and len(self.asked) >= self._breaks_after:
                    raise KeyboardInterrupt
                assert a.prompt == b.prompt
                self.asked.append((a.response, b.response))
                batch.append((index, self.says(a.response, b.response)))
            on_results(batch)

    def record(self) -> dict[str, Any]:
        return {"device": "paper"}

    def close(self) -> None:
        self.closed = True


class CountingReward:
    """As `CountingTest`, of answers."""

    def __init__(self, says: Callable[[Answer], Reward], *, breaks_after: int | None = None) -> None:
        self.says = says
        self.asked: list[Answer] = []
        self.closed = False
        self._breaks_after = breaks_after

    def rewards(
        self, answers: Sequence[Answer], on_results: Callable[[Sequence[tuple[int, Reward]]], None]
    ) -> None:
        assert answers
        for begin in reversed(range(0, len(answers), 2)):
            batch = []
            for index, answer in list(enumerate(answers))[begin : begin + 2]:
                if self._breaks_after is not None and len(self.asked) >= self._breaks_after:
                    raise KeyboardInterrupt
                self.asked.append(answer)
                batch.append((index, self.says(answer)))
            on_results(batch)

    def record(self) -> dict[str, Any]:
        return {"device": "paper"}

    def close(self) -> None:
        self.closed = True


def by_first_word(a: str, b: str) -> Comparison:
    """The same if the first words are."""
    same = a.split()[:1] == b.split()[:1]
    return Comparison(same, 0.9 if same else 0.05)


def long(*words: str) -> list[str]:
    """Texts of more than five words that begin with these, so that no rule for short ones decides."""
    return [f"{word} is what I would say to that" for word in words]


def answers(prompt: str, responses: Sequence[str]) -> list[Answer]:
    return [Answer(prompt, response) for response in responses]


def always(comparison: Comparison) -> Callable[[str, str], Comparison]:
    """Says this of every two texts."""
    return lambda a, b: comparison
