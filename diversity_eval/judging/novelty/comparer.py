"""From responses to classes: rules first, then the store, then the test for what is missing."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.novelty.items import Answer, Comparison, KeepingTest, Pair, PairTest
from diversity_eval.judging.result_store import ResultStore, result_key
from diversity_eval.metrics import novelty
from diversity_eval.metrics.signature import Signature

__all__ = ["VERDICTS", "Comparer", "open_test"]

VERDICTS = "verdicts.sqlite"
"""Where a judge's verdicts are kept unless said otherwise."""

_STORED = "classifier"  # the others cost less than looking up, or have a store of their own


def open_test(config: ClassifierConfig, verdicts: Path | None = None) -> PairTest:
    """Load a pair test, or what it needs. What a judge says is kept in the file `verdicts`.

    Raises DiversityEvalError if that cannot be.
    """
    if config.test == "classifier":
        from diversity_eval.judging.novelty.classifier import TransformersClassifier

        return TransformersClassifier(config)
    if config.test == "judge":
        from diversity_eval.judging.novelty.judge_test import JudgeTest

        return JudgeTest(config, verdicts or Path(VERDICTS))
    from diversity_eval.judging.novelty.text_tests import ExactTest, Rouge1Test

    return Rouge1Test(config.threshold) if config.test == "rouge1" else ExactTest()


class Comparer:
    """A pair test with its store. It is loaded when the first comparison is missing, or by `open()`.

    Attributes:
        config: of the test.
        asked: comparisons that the test made, in this process.
        from_store: different pairs of texts that an earlier process had compared.
        by_rule: pairs that needed no test, being short or empty.
        repeated: pairs whose texts this process had compared, or looked up, already.
    """

    def __init__(
        self,
        config: ClassifierConfig,
        store: ResultStore,
        *,
        open_with: Callable[[ClassifierConfig, ResultStore], PairTest] | None = None,
        progress: bool = True,
    ) -> None:
        """Without `open_with` a judge's verdicts are kept beside the store; `progress` shows a bar."""
        self.config = config
        self._store = store
        beside = store.path.with_name(VERDICTS)
        self._open_with = open_with or (lambda config, _: open_test(config, beside))
        self._progress = progress
        self._test: PairTest | None = None
        self.asked = self.from_store = self.by_rule = self.repeated = 0
        self._met: set[str] = set()
        self._signature = ""
        self.seconds = 0.0

    def open(self) -> PairTest:
        """Load the test, if it is not yet.

        Raises DiversityEvalError if it cannot be loaded or reached.
        """
        test = self._made()
        if isinstance(test, KeepingTest):
            test.open()
        return test

    def close(self) -> None:
        """Give the test's memory back."""
        if self._test is not None:
            self._test.close()
            self._test = None

    def compare(
        self, prompts: Sequence[Sequence[Answer]], *, missing_because: str | None = None
    ) -> tuple[list[list[int]], Mapping[Answer, bool], Mapping[tuple[str, ...], str]]:
        """The classes of the responses to each prompt (`metrics.novelty.partition`).

        Args:
            prompts: the responses.
            missing_because: ask nothing; a comparison that is not in the store is not known for this reason.

        Returns:
            The partitions; per response that was cut in a comparison, True; and by what comparisons were
            not known (the texts of a prompt's representative and response), the reasons.
        """
        from tqdm import tqdm

        cut: dict[Answer, bool] = {}
        reasons: dict[tuple[str, ...], str] = {}
        with tqdm(
            desc=f"Comparing responses by {self.config.name}", unit="pair", total=0,
            disable=not self._progress or self.config.test in ("exact", "rouge1"), smoothing=0.1, delay=0.5,
        ) as bar:  # fmt: skip

            def same(pairs: list[Pair]) -> list[bool | None]:
                answers: list[bool | None] = []
                found = self._compared(pairs, bar, missing_because)
                for (a, b), comparison in zip(pairs, found, strict=True):
                    for answer, was_cut in zip((a, b), comparison.cut, strict=True):
                        if was_cut:
                            cut[answer] = True
                    if comparison.same is None:
                        reasons[a.prompt, a.response, b.response] = comparison.reason
                    answers.append(comparison.same)
                return answers

            partitions = novelty.partition(prompts, same)
        return partitions, cut, reasons

    def signature_fields(self) -> dict[str, str]:
        """What the classes depend on."""
        if isinstance(self._test, KeepingTest):
            return self._test.signature_fields()
        if self.config.test == "judge":
            from diversity_eval.judging.novelty.judge_test import judge_fields

            return judge_fields(self.config)
        return self.config.signature_fields()

    def record(self) -> dict[str, Any]:
        """The test as configured and as run, and what its comparisons took, for the results file."""
        return {
            **self.config.record(),
            "running": self._test.record() if self._test is not None else {},
            "compared": self.asked,
            "from_store": self.from_store,
            "by_rule": self.by_rule,
            "repeated": self.repeated,
            "seconds_comparing": round(self.seconds, 3),
        }

    def _made(self) -> PairTest:
        """The test; one that keeps its answers loads no model before one of them is missing."""
        if self._test is None:
            self._test = self._open_with(self.config, self._store)
        return self._test

    def _compared(self, pairs: Sequence[Pair], bar: Any, missing_because: str | None) -> list[Comparison]:
        results: dict[int, Comparison] = {}
        for place, (a, b) in enumerate(pairs):
            ruled = self._by_rule(a.response, b.response)
            if ruled is not None:
                results[place] = Comparison(ruled)
        self.by_rule += len(results)
        open_ = {place: pair for place, pair in enumerate(pairs) if place not in results}
        if open_ and self.config.test == _STORED:
            results |= self._from_store_and_test(open_, bar, missing_because)
        elif open_:
            results |= self._from_test(open_, bar, missing_because)
        return [results[place] for place in range(len(pairs))]

    def _by_rule(self, a: str, b: str) -> bool | None:
        if not a.strip() and not b.strip():
            return True  # nothing is said twice
        return novelty.short_responses_same(a, b) if self.config.test == "classifier" else None

    def _from_test(
        self, pairs: Mapping[int, Pair], bar: Any, missing_because: str | None
    ) -> dict[int, Comparison]:
        """Asked each time: by the test itself, or by the store that it has."""
        if missing_because is not None and self.config.test == "judge":
            test = self._made()
            if isinstance(test, KeepingTest):
                return dict(zip(pairs, test.kept(list(pairs.values()), missing_because), strict=True))
            return {place: Comparison(None, reason=missing_because) for place in pairs}
        return dict(zip(pairs, self._run(list(pairs.values()), lambda batch: batch, bar), strict=True))

    def _from_store_and_test(
        self, pairs: Mapping[int, Pair], bar: Any, missing_because: str | None
    ) -> dict[int, Comparison]:
        # The classifier sees no prompt, so that is not part of the key: equal texts are compared once.
        if not self._signature:  # of a local checkpoint it holds a digest, and there is a call for each wave
            self._signature = str(Signature("same", self.config.model_fields()))
        signature = self._signature
        keys = {place: result_key(signature, a.response, b.response) for place, (a, b) in pairs.items()}
        stored = self._store.get(list(dict.fromkeys(keys.values())))
        missing = {key: pairs[place] for place, key in keys.items() if key not in stored}
        fresh = stored.keys() - self._met
        self.from_store += len(fresh)
        self.repeated += len(keys) - len(missing) - len(fresh)
        self._met |= stored.keys()
        found = {key: self._stored(result) for key, result in stored.items()}
        if missing and missing_because is not None:
            found |= {key: Comparison(None, reason=missing_because) for key in missing}
        elif missing:
            missing_keys = list(missing)

            def keep(batch: Sequence[tuple[int, Comparison]]) -> list[tuple[int, Comparison]]:
                decided = [(index, self._decided(c)) for index, c in batch]
                known = {missing_keys[index]: c for index, c in decided if c.probability is not None}
                self._store.put(
                    signature,
                    [(key, {"probability": c.probability, "cut": c.cut}) for key, c in known.items()],
                )
                self._met |= known.keys()
                return decided

            found |= zip(missing, self._run(list(missing.values()), keep, bar), strict=True)
        return {place: found[key] for place, key in keys.items()}

    def _stored(self, result: Mapping[str, Any]) -> Comparison:
        try:
            first, second = result["cut"]
            stored = Comparison(None, float(result["probability"]), (bool(first), bool(second)))
        except (KeyError, TypeError, ValueError):
            raise self._store.unreadable() from None
        return self._decided(stored)

    def _decided(self, comparison: Comparison) -> Comparison:
        """By the probability alone, fresh or stored: another threshold needs no new comparison."""
        probability = comparison.probability
        if probability is None:
            return comparison
        if not 0 <= probability <= 1:
            reason = f"the classifier's probability is {probability}, expected one from 0 to 1"
            return Comparison(None, None, comparison.cut, reason)
        return replace(comparison, same=probability > self.config.threshold)

    def _run(
        self,
        pairs: list[Pair],
        keep: Callable[[Sequence[tuple[int, Comparison]]], Iterable[tuple[int, Comparison]]],
        bar: Any,
    ) -> list[Comparison]:
        """A comparison of each pair; `keep` stores each batch as it comes, and may change it."""
        test = self._made()
        bar.total += len(pairs)
        bar.refresh()
        results = [Comparison(None, reason="the test gave no answer")] * len(pairs)

        def arrived(batch: Sequence[tuple[int, Comparison]]) -> None:
            self.asked += len(batch)
            for index, comparison in keep(batch):
                results[index] = comparison
            bar.update(len(batch))

        started = time.monotonic()
        try:
            test.compare(pairs, arrived)
        finally:
            self.seconds += time.monotonic() - started
        return results
