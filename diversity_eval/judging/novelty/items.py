"""What is compared and scored for NoveltyBench, and what those who do it have to offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "Answer",
    "Comparison",
    "KeepingTest",
    "NoveltyMetric",
    "NoveltyResult",
    "Pair",
    "PairTest",
    "Reward",
    "RewardModel",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with the prompt that it answers."""

    prompt: str
    response: str


Pair = tuple[Answer, Answer]
"""A class's representative, and a later response to the same prompt."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two responses say the same.

    Attributes:
        same: None if it is not known.
        probability: of being the same, from 0 to 1, where the test gives one.
        cut: whether the test saw only the beginning of the first and of the second response.
        reason: why it is not known.
    """

    same: bool | None
    probability: float | None = None
    cut: tuple[bool, bool] = (False, False)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward model's raw output for a response; None, with the reason, if there is none."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class NoveltyResult:
    """The classes of the responses to one prompt, and what their representatives are worth.

    Attributes:
        partition: the class of each response; with `UNKNOWN` in it where a comparison failed.
        scores: the score of each response; None of those that were not scored. None without a scorer.
        rewards: the raw rewards likewise.
        cut: per response, whether a comparison saw only its beginning.
        reasons: why classes or scores are not known, each reason once.
    """

    partition: tuple[int, ...]
    scores: tuple[int | None, ...] | None = None
    rewards: tuple[float | None, ...] | None = None
    cut: tuple[bool, ...] = ()
    reasons: tuple[str, ...] = ()


class PairTest(Protocol):
    """Decides whether two responses are the same."""

    def compare(
        self, pairs: Sequence[Pair], on_results: Callable[[Sequence[tuple[int, Comparison]]], None]
    ) -> None:
        """Compare every pair.

        `on_results([(i, comparison), ...])` is called with each batch as soon as it is there, in any order,
        always from the calling thread, with every pair once. What goes wrong with single pairs ends in
        comparisons that are not known; DiversityEvalError is for what would go wrong with all of them.
        """

    def record(self) -> dict[str, Any]:
        """What is known about it once it runs: device, versions, work done."""

    def close(self) -> None:
        """Give back memory and connections."""


@runtime_checkable
class KeepingTest(PairTest, Protocol):
    """A pair test with a store of its own. Made, it has loaded no model yet."""

    def open(self) -> None:
        """Load the model, if it is not yet.

        Raises DiversityEvalError if it cannot be loaded or reached.
        """

    def kept(self, pairs: Sequence[Pair], reason: str) -> list[Comparison]:
        """As far as the store goes; what is missing is not known for `reason`, and nothing is loaded."""

    def signature_fields(self) -> dict[str, str]:
        """What a comparison depends on."""


class RewardModel(Protocol):
    """Gives responses a raw reward."""

    def rewards(
        self, answers: Sequence[Answer], on_results: Callable[[Sequence[tuple[int, Reward]]], None]
    ) -> None:
        """The reward of every response; `on_results` as for `PairTest.compare`."""

    def record(self) -> dict[str, Any]:
        """As `PairTest.record`."""

    def close(self) -> None:
        """As `PairTest.close`."""


class NoveltyMetric(Protocol):
    """One version of the metric: classes of responses and, if it can score, what they are worth."""

    @property
    def suffix(self) -> str:
        """Of the metrics' names: empty for version 1.0 with its classifier, else `_exact`, `_v1_1`, ..."""

    @property
    def version(self) -> str:
        """Of the benchmark's metric: `1.0` or `1.1`."""

    @property
    def scores_responses(self) -> bool:
        """Whether there is a utility."""

    def open(self) -> None:
        """Load what is needed, to see that it can be.

        Raises DiversityEvalError if not.
        """

    def judge(self, prompts: Sequence[Sequence[Answer]]) -> list[NoveltyResult]:
        """The result for the responses to each of many prompts; equal work is done once, and stored."""

    def kept(self, prompts: Sequence[Sequence[Answer]], reason: str) -> list[NoveltyResult]:
        """As far as the store goes; what is missing is not known for `reason`, and nothing is loaded."""

    def partition_fields(self) -> dict[str, str]:
        """What a partition depends on, for the signature of Distinct."""

    def score_fields(self) -> dict[str, str]:
        """What scores depend on beyond the partition, for the signature of Utility."""

    def record(self) -> dict[str, Any]:
        """How it was configured and run, for the results file."""

    def close(self) -> None:
        """Give back memory and connections, and close the stores."""
