"""NoveltyBench's classifier and reward model inside an lm_eval run: settled before anything is generated."""

import atexit
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.judge import fail_at_the_end, judge_error, output_folder
from diversity_eval.harness.messages import logger
from diversity_eval.harness.model import EvaluatedModel
from diversity_eval.harness.options import TaskOptions
from diversity_eval.judging.novelty import (
    DEFAULT_CLASSIFIER,
    STORE,
    NoveltyMetric,
    load_classifier,
    load_reward,
    novelty_metric,
)
from diversity_eval.scoring.family import PromptResponses, odd_categories
from diversity_eval.scoring.novelty import NoveltyScorer
from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE

__all__ = ["open_novelty", "report_unknown"]

_AFTERWARDS = (
    "run with `classifier=none` and with --log_samples, then score afterwards: "
    "diversity-eval score LOGS --benchmark novelty_bench -o OUT"
)
_metrics: dict[tuple[str, ...], NoveltyMetric] = {}


def open_novelty(
    options: TaskOptions,
    model: EvaluatedModel,
    settings: Mapping[str, Any],
    documents: Sequence[Mapping[str, Any]],
    *,
    task: str,
) -> NoveltyScorer | None:
    """The classifier and reward model that the options ask for, loaded and tried.

    The benchmark's classifier if nothing is said; None for `classifier=none`, and for tasks that are not of
    NoveltyBench. lm-eval keeps the evaluated model in memory until the end, so both have to fit beside it.
    Raises DiversityEvalError if they do not, or do not load, and for a run over several ranks.
    """
    if not settings.get("novelty"):
        return None
    name = DEFAULT_CLASSIFIER if options.classifier is None else options.classifier
    if name == "none":
        if options.reward is not None:
            raise DiversityEvalError(
                f"{task}: reward={options.reward} without a classifier has nothing to score; leave it out, "
                "or name a classifier"
            )
        logger.warning(
            "%s: classifier=none, so there is no Distinct and no Utility; score the log afterwards with "
            "diversity-eval score LOGS --benchmark novelty_bench -o OUT", task,
        )  # fmt: skip
        return None
    if getattr(model.lm, "world_size", 1) > 1:
        raise DiversityEvalError(
            f"{task}: classifier={name} cannot be used with several ranks, each of which would load it; "
            f"{_AFTERWARDS}"
        )
    category = settings.get("category_field")
    categories = sorted({str(doc[category]) for doc in documents}) if category else []
    for line in odd_categories(categories):
        logger.warning("%s: %s", task, line)
    return NoveltyScorer(
        _open(options, name, task),
        categories=categories,
        on_error=lambda error: judge_error(task, error, "comparing and scoring the responses"),
        keep_on_interrupt=True,
    )


def _open(options: TaskOptions, name: str, task: str) -> NoveltyMetric:
    classifier = load_classifier(name, dict(options.classifier_set))
    reward = load_reward(options.reward, dict(options.reward_set)) if options.reward is not None else None
    store = Path(options.novelty_store) if options.novelty_store else output_folder() / STORE
    verdicts = Path(options.verdicts) if options.verdicts else output_folder() / "verdicts.sqlite"
    key = (repr(classifier), repr(reward), str(store.resolve()), str(verdicts.resolve()))
    if key not in _metrics:
        metric = novelty_metric(classifier, reward, store=store, verdicts=verdicts)
        try:
            metric.open()
        except DiversityEvalError as error:
            metric.close()
            if reward is not None and reward.backend == "server":
                raise
            raise DiversityEvalError(f"{task}: {error}. If it is not to be had here, {_AFTERWARDS}") from None
        logger.info("%s: comparisons of classifier %s are kept in %s", task, classifier.name, store)
        _metrics[key] = metric
        atexit.register(metric.close)
    if reward is None and not _metrics[key].scores_responses:
        logger.warning(
            "%s: no reward model, so there is no Utility, only Distinct; name one with reward=NAME, now or "
            "afterwards (diversity-eval score)", task,
        )  # fmt: skip
    return _metrics[key]


def report_unknown(task: str, scorer: NoveltyScorer, prompts: Sequence[PromptResponses]) -> None:
    """Say how many prompts have no value; more than 5 % make lm_eval's command fail at its end."""
    for name, count in scorer.unknown(prompts).items():
        if not count:
            continue
        said = "; ".join(scorer.reasons()[:3])
        message = (
            f"{task}: {count} of {len(prompts)} prompts have no {name} ({said}); they are left out of the "
            "mean, and the sample log says under `novelty_unknown` why"
        )
        if count <= LARGEST_UNSCORED_SHARE * len(prompts):
            logger.warning("%s", message)
            continue
        logger.error("%s. That is more than %.0f %%: do not publish", message, 100 * LARGEST_UNSCORED_SHARE)
        fail_at_the_end(message)
