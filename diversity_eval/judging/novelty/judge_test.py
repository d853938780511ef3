"""The equivalence test of a language model that is asked about each pair."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.novelty.items import Comparison, Pair
from diversity_eval.judging.novelty.judges import EQUIVALENCE, pair_judge
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict

__all__ = ["JudgeTest", "judge_fields"]

_SAME = 1


def judge_fields(config: ClassifierConfig) -> dict[str, str]:
    """What the judge's answers depend on, for signatures; no model is loaded.

    Raises DiversityEvalError for a judge that is not there or is badly configured.
    """
    return {"test": config.test, **pair_judge(config).signature_fields(EQUIVALENCE)}


class JudgeTest:
    """Two responses to a prompt are the same if a judge rates the pair 1, and different if 0.

    Everything that it says is kept in a store of verdicts, so that an interrupted run goes on. The judge is
    loaded when the first answer is missing, or by `open()`. Texts that are equal up to white space at their
    ends are the same without being shown to it. An answer without a rating is not known, and final; one that
    could not be had is not known, and asked for again by the next run.
    """

    def __init__(self, config: ClassifierConfig, verdicts: Path) -> None:
        """Read the judge's configuration, and open or make the store.

        Raises DiversityEvalError: no such judge, a setting that does not fit, a store that cannot be used.
        """
        judge = pair_judge(config)
        self._test = config.test
        self._rater = Rater(judge, VerdictStore(verdicts), progress=False)

    def open(self) -> None:
        """Load the judge, if it is not yet.

        Raises DiversityEvalError if it cannot be loaded or reached.
        """
        self._rater.open()

    def compare(
        self, pairs: Sequence[Pair], on_results: Callable[[Sequence[tuple[int, Comparison]]], None]
    ) -> None:
        """See `PairTest.compare`."""
        equal, places = _places(pairs)
        if equal:
            on_results([(place, Comparison(True)) for place in equal])

        def keep(item: Rating, verdict: Verdict) -> None:
            on_results([(place, _comparison(verdict)) for place in places[item]])

        if places:
            self._rater.rate(list(places), on_verdict=keep)

    def kept(self, pairs: Sequence[Pair], reason: str) -> list[Comparison]:
        """As far as the store goes; what is missing is not known for `reason`, and nothing is loaded."""
        equal, places = _places(pairs)
        found = dict.fromkeys(equal, Comparison(True))
        for item, verdict in zip(places, self._rater.kept(list(places), reason), strict=True):
            found |= dict.fromkeys(places[item], _comparison(verdict))
        return [found[place] for place in range(len(pairs))]

    def signature_fields(self) -> dict[str, str]:
        """As `judge_fields`, and once the judge is open also how it is asked."""
        return {"test": self._test, **self._rater.signature_fields(EQUIVALENCE)}

    def record(self) -> dict[str, Any]:
        """The judge as configured and as run, and how many of its verdicts were new."""
        return {"judge": self._rater.record()}

    def close(self) -> None:
        """Unload the judge and close the store."""
        self._rater.close()


def _places(pairs: Sequence[Pair]) -> tuple[list[int], dict[Rating, list[int]]]:
    """Where the texts are equal; and what has to be asked, with the places that it is for."""
    equal: list[int] = []
    asked: dict[Rating, list[int]] = {}
    for place, (first, later) in enumerate(pairs):
        if first.response.strip() == later.response.strip():
            equal.append(place)
        else:
            item = Rating(EQUIVALENCE, first.prompt, first.response, later.response)
            asked.setdefault(item, []).append(place)
    return equal, asked


def _comparison(verdict: Verdict) -> Comparison:
    if verdict.rating is None:
        return Comparison(None, reason=verdict.reason or "the judge gave no rating")
    probability = verdict.probabilities[_SAME] if verdict.probabilities is not None else None
    return Comparison(verdict.rating == _SAME, probability)
