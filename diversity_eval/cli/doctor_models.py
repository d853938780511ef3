"""What keeps a judge, a pair classifier or a reward model from working here, found without loading it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from diversity_eval.judging.backends.loading import LocalModel

__all__ = ["classifier_problems", "judge_problems", "reward_problems"]


def judge_problems(
    name: str, missing: Mapping[str, Sequence[str]], changes: Mapping[str, Any] | None = None
) -> list[str]:
    """Of a judge; a server is asked once.

    Args:
        name: its name or YAML.
        missing: by extra, the libraries of it that are not installed.
        changes: keys of its YAML to replace.
    """
    from diversity_eval.judging.backends import open_backend
    from diversity_eval.judging.config import load_judge

    try:
        judge = load_judge(name, changes)
        if judge.backend == "server":
            open_backend(judge).close()
            return []
        extra = "vllm" if judge.backend == "vllm" else None
        return _local(judge, missing, extra)
    except DiversityEvalError as error:
        return [str(error)]


def classifier_problems(name: str, missing: Mapping[str, Sequence[str]]) -> list[str]:
    """Of what decides whether two responses are the same; arguments as for `judge_problems`."""
    from diversity_eval.judging.novelty import load_classifier

    try:
        classifier = load_classifier(name)
        if classifier.judge is not None:
            return judge_problems(classifier.judge, missing, classifier.judge_set)
        return _local(classifier, missing) if classifier.test == "classifier" else []
    except DiversityEvalError as error:
        return [str(error)]


def reward_problems(name: str, missing: Mapping[str, Sequence[str]]) -> list[str]:
    """Of a reward model; a server is asked once; arguments as for `judge_problems`."""
    from diversity_eval.judging.novelty import load_reward
    from diversity_eval.judging.novelty.rewarder import open_reward

    try:
        reward = load_reward(name)
        if reward.backend == "server":
            open_reward(reward).close()
            return []
        return _local(reward, missing)
    except DiversityEvalError as error:
        return [str(error)]


def _local(model: LocalModel, missing: Mapping[str, Sequence[str]], extra: str | None = None) -> list[str]:
    extra = extra or ("judge" if model.quantization == "nf4" else "hf")
    if missing[extra]:
        return [f"{model.label}: {', '.join(missing[extra])} missing; pip install 'diversity-eval[{extra}]'"]
    from diversity_eval.judging.backends.loading import check_room, chosen_device, needed_bytes

    check_room(model, chosen_device(model))
    if needed_bytes(model) is None and os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return [
            f"{model.label}: {model.model} is neither a folder nor in the Hub's cache, and HF_HUB_OFFLINE "
            "forbids to fetch it"
        ]
    return []
