"""Equivalence tests that need no model."""

from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.judging.novelty.items import Comparison, Pair
from diversity_eval.metrics.rouge import rouge_1_f

__all__ = ["ExactTest", "Rouge1Test"]

_PORTION = 1000


class ExactTest:
    """Equal texts are the same."""

    def compare(
        self, pairs: Sequence[Pair], on_results: Callable[[Sequence[tuple[int, Comparison]]], None]
    ) -> None:
        """See `PairTest.compare`."""
        on_results([(i, Comparison(a.response == b.response)) for i, (a, b) in enumerate(pairs)])

    def record(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}

    def close(self) -> None:
        """Nothing to give back."""


class Rouge1Test:
    """Texts whose unigram F1 lies above a threshold are the same, and so are equal ones.

    ROUGE knows the letters a to z and digits only: of two equal texts in another script it would say 0.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def compare(
        self, pairs: Sequence[Pair], on_results: Callable[[Sequence[tuple[int, Comparison]]], None]
    ) -> None:
        """See `PairTest.compare`."""
        for begin in range(0, len(pairs), _PORTION):
            results = []
            for place, (a, b) in enumerate(pairs[begin : begin + _PORTION], begin):
                equal = a.response == b.response
                overlap = 1.0 if equal else rouge_1_f(a.response, b.response)
                results.append((place, Comparison(equal or overlap > self._threshold, overlap)))
            on_results(results)

    def record(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}

    def close(self) -> None:
        """Nothing to give back."""
