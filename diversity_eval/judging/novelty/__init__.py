"""NoveltyBench's judges: what decides whether two responses say the same, and what scores them.

Importing this package loads no model library.
"""

from pathlib import Path

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty.comparer import Comparer, open_test
from diversity_eval.judging.novelty.config import (
    DEFAULT_CLASSIFIER,
    ClassifierConfig,
    RewardConfig,
    load_classifier,
    load_reward,
)
from diversity_eval.judging.novelty.items import Answer, NoveltyMetric, NoveltyResult
from diversity_eval.judging.novelty.pairwise import PairwiseNovelty
from diversity_eval.judging.novelty.rewarder import Rewarder
from diversity_eval.judging.result_store import ResultStore

__all__ = [
    "DEFAULT_CLASSIFIER",
    "STORE",
    "Answer",
    "ClassifierConfig",
    "NoveltyMetric",
    "NoveltyResult",
    "RewardConfig",
    "load_classifier",
    "load_reward",
    "novelty_metric",
]

STORE = "novelty.sqlite"
"""The store's file in an output folder."""


def novelty_metric(
    classifier: ClassifierConfig,
    reward: RewardConfig | None,
    *,
    store: Path,
    verdicts: Path,
    progress: bool = True,
) -> NoveltyMetric:
    """The metric that two configurations describe; nothing is loaded yet.

    Args:
        classifier: what decides whether responses are the same.
        reward: what scores them; None for no utility.
        store: the file of comparisons and rewards, made if need be.
        verdicts: the file of what a judge says, if one is asked.
        progress: show bars on stderr.

    Raises:
        DiversityEvalError: a reward model beside metric version 1.1, whose judge scores too; a store that
            cannot be used.
    """
    if classifier.test == "judge_sets":
        if reward is not None:
            raise DiversityEvalError(
                f"classifier {classifier.name} is metric version 1.1, in which the judge scores responses "
                f"too; leave reward model {reward.name} out"
            )
        from diversity_eval.judging.novelty.judged import JudgedNovelty

        return JudgedNovelty(classifier, verdicts, progress=progress)
    results = ResultStore(store)
    return PairwiseNovelty(
        Comparer(
            classifier, results, open_with=lambda config, _: open_test(config, verdicts), progress=progress
        ),
        Rewarder(reward, results, progress=progress) if reward is not None else None,
        results,
    )
