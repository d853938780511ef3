"""Metric version 1.0: pairs are compared, and a reward model scores each class's first response."""

from collections.abc import Sequence
from typing import Any

from diversity_eval.judging.novelty.comparer import Comparer
from diversity_eval.judging.novelty.items import Answer, NoveltyResult, Reward
from diversity_eval.judging.novelty.rewarder import Rewarder
from diversity_eval.judging.result_store import ResultStore
from diversity_eval.metrics.novelty import is_known, representatives, reward_to_score

__all__ = ["PairwiseNovelty"]


class PairwiseNovelty:
    """A pair test, and maybe a reward model. See `NoveltyMetric`."""

    version = "1.0"

    def __init__(self, comparer: Comparer, rewarder: Rewarder | None, store: ResultStore) -> None:
        """`store` is closed with the rest."""
        self.comparer = comparer
        self.rewarder = rewarder
        self.store = store

    @property
    def suffix(self) -> str:
        """Of the metrics' names."""
        test = self.comparer.config.test
        return "" if test == "classifier" else f"_{test}"

    @property
    def scores_responses(self) -> bool:
        """Whether there is a reward model."""
        return self.rewarder is not None

    def open(self) -> None:
        """See `NoveltyMetric.open`."""
        self.comparer.open()
        if self.rewarder is not None:
            self.rewarder.open()

    def judge(self, prompts: Sequence[Sequence[Answer]]) -> list[NoveltyResult]:
        """See `NoveltyMetric.judge`."""
        return self._results(prompts, None)

    def kept(self, prompts: Sequence[Sequence[Answer]], reason: str) -> list[NoveltyResult]:
        """See `NoveltyMetric.kept`."""
        return self._results(prompts, reason)

    def partition_fields(self) -> dict[str, str]:
        """See `NoveltyMetric.partition_fields`."""
        return {"metric_version": self.version, **self.comparer.signature_fields()}

    def score_fields(self) -> dict[str, str]:
        """See `NoveltyMetric.score_fields`."""
        return self.rewarder.config.signature_fields() if self.rewarder is not None else {}

    def record(self) -> dict[str, Any]:
        """See `NoveltyMetric.record`."""
        return {
            "metric_version": self.version,
            "classifier": self.comparer.record(),
            "reward": self.rewarder.record() if self.rewarder is not None else None,
        }

    def close(self) -> None:
        """See `NoveltyMetric.close`."""
        self.comparer.close()
        if self.rewarder is not None:
            self.rewarder.close()
        self.store.close()

    def _results(
        self, prompts: Sequence[Sequence[Answer]], missing_because: str | None
    ) -> list[NoveltyResult]:
        partitions, cut, reasons = self.comparer.compare(prompts, missing_because=missing_because)
        heads = [
            [answers[place] for place in representatives(classes)] if classes and is_known(classes) else []
            for answers, classes in zip(prompts, partitions, strict=True)
        ]
        rewards: dict[Answer, Reward] | None = None
        if self.rewarder is not None:
            rewards = self.rewarder.rewards(
                [answer for answers in heads for answer in answers], missing_because=missing_because
            )
        return [
            self._result(answers, classes, rewards, cut, reasons)
            for answers, classes in zip(prompts, partitions, strict=True)
        ]

    def _result(
        self,
        answers: Sequence[Answer],
        classes: list[int],
        rewards: dict[Answer, Reward] | None,
        cut: Any,
        reasons: Any,
    ) -> NoveltyResult:
        said: dict[str, None] = {}
        if classes and not is_known(classes):
            texts = {answer.response for answer in answers}
            said |= dict.fromkeys(
                reason
                for (prompt, first, second), reason in reasons.items()
                if prompt == answers[0].prompt and first in texts and second in texts
            )
        scores: list[int | None] | None = None
        values: list[float | None] | None = None
        if rewards is not None and self.rewarder is not None:
            scores, values = [None] * len(answers), [None] * len(answers)
            for place in representatives(classes) if classes and is_known(classes) else []:
                reward = rewards[answers[place]]
                values[place] = reward.value
                if reward.value is None:
                    said[reward.reason] = None
                else:
                    scores[place] = reward_to_score(reward.value, self.rewarder.config.thresholds)
        return NoveltyResult(
            partition=tuple(classes),
            scores=None if scores is None else tuple(scores),
            rewards=None if values is None else tuple(values),
            cut=tuple(answer in cut for answer in answers),
            reasons=tuple(said),
        )
