"""What metrics and tasks are called in reports, and which of them stand in the leaderboard unasked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = [
    "BASE_SUFFIX",
    "LOSS_ORDER",
    "LOSS_TITLES",
    "MetricTitle",
    "is_headline",
    "metric_family",
    "metric_title",
    "quality_beside",
    "task_place",
    "task_title",
]

Role = Literal["diversity", "quality"]


@dataclass(frozen=True, slots=True)
class MetricTitle:
    """How a metric is shown.

    Attributes:
        title: its name for people.
        decimals: behind the point.
        role: whether it is a measure of diversity or of quality in the planes and the summary.
        percent: whether the paper prints it in per cent.
    """

    title: str
    decimals: int = 3
    role: Role | None = None
    percent: bool = False


_METRICS: Mapping[str, MetricTitle] = MappingProxyType(
    {
        "self_bleu": MetricTitle("Self-BLEU", 1, "diversity"),
        "quality": MetricTitle("Quality", 2, "quality"),
        "distinct": MetricTitle("Distinct", 2, "diversity"),
        "utility": MetricTitle("Utility", 2, "quality"),
        "coverage": MetricTitle("Coverage", 3, "diversity", percent=True),
        "success_rate": MetricTitle("Success rate", 3, "quality", percent=True),
        "majority_vote": MetricTitle("Majority vote", 3, percent=True),
        "accuracy": MetricTitle("Accuracy", 3, percent=True),
        "accuracy_macro": MetricTitle("Accuracy (macro)", 3, percent=True),
        "unparsed": MetricTitle("Unparsed", 3, percent=True),
        "asr": MetricTitle("ASR", 3, percent=True),
        "asr_worst": MetricTitle("Worst-case ASR", 3, percent=True),
        "asr_judge": MetricTitle("ASR (judge)", 3, percent=True),
        "refusal": MetricTitle("Refusal", 3, percent=True),
        "mass_right": MetricTitle("Mass on right answers", 3),
        "kl_uniform": MetricTitle("KL to uniform", 3),
        "mass_distractors": MetricTitle("Mass on distractors", 3),
        "mass_shared": MetricTitle("Mass on shared tokens", 3),
        "mass_rest": MetricTitle("Mass on the rest", 3),
        "entropy": MetricTitle("Entropy", 3),
        "self_bleu_nltk": MetricTitle("Self-BLEU (NLTK)", 3),
        "distinct_1": MetricTitle("Distinct-1", 3),
        "distinct_2": MetricTitle("Distinct-2", 3),
        "expectation_adjusted_distinct": MetricTitle("Expectation-adjusted distinct", 3),
        "compression_ratio": MetricTitle("Compression ratio", 2),
        "unique_fraction": MetricTitle("Unique responses", 3),
        "empty_fraction": MetricTitle("Empty responses", 3),
        "mean_words": MetricTitle("Words", 1),
        "vendi_score": MetricTitle("Vendi score", 2),
    }
)

_QUALITY: Mapping[str, str] = MappingProxyType(
    {"self_bleu": "quality", "distinct": "utility", "coverage": "success_rate"}
)
# NoveltyBench's metrics by another test than the benchmark's own; `distinct_1` is of words.
_NOVELTY = re.compile(r"(?P<whole>distinct|utility)_(?P<test>v1_1|[a-z][a-z0-9]*)")

# The first pattern that a task's name begins with decides.
_HEADLINES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("novelty_bench", ("distinct", "utility")),
    ("math500_coverage", ("coverage", "success_rate")),
    ("gsm8k_coverage", ("coverage", "success_rate")),
    ("minerva_math_coverage", ("coverage", "success_rate")),
    ("malicious_instruct", ("asr", "asr_worst", "asr_judge")),
    ("harmbench", ("asr", "asr_worst", "asr_judge")),
    ("arc_challenge_label", ("accuracy",)),
    ("mmlu_label", ("accuracy",)),
    ("first_token_probe", ("mass_right", "entropy")),
    ("", ("self_bleu", "quality", "accuracy", "exact_match", "acc")),
)

_TASKS: Mapping[str, str] = MappingProxyType(
    {
        "short_stories": "Short Stories",
        "small_prompts": "Small Prompts",
        "novelty_bench": "NoveltyBench",
        "novelty_bench_wildchat": "NoveltyBench (WildChat)",
        "math500_coverage": "MATH-500",
        "gsm8k_coverage": "GSM8K",
        "minerva_math_coverage": "Minerva Math",
        "malicious_instruct": "Malicious Instruct",
        "harmbench": "HarmBench",
        "harmbench_all": "HarmBench (all 200)",
        "arc_challenge_label": "ARC Challenge",
        "mmlu_label": "MMLU",
        "first_token_probe": "First token",
        "demo_stories": "Demo stories",
        "demo_prompts": "Demo prompts",
    }
)

LOSS_TITLES: Mapping[str, str] = MappingProxyType(
    {"base": "Base", "ce": "CE", "focal": "Focal", "gem": "GEM", "pr": "λ-PR", "tofu": "TOFU"}
)
"""The losses as the paper calls them, in its order."""

LOSS_ORDER = tuple(LOSS_TITLES)
"""The losses in the order of the paper's tables."""

BASE_SUFFIX = "_base"
"""What the names of tasks for base checkpoints end in."""


def metric_title(metric: str) -> MetricTitle:
    """How a metric is shown; by its own name if it is not known here. `asr.CATEGORY` is `ASR: CATEGORY`."""
    if metric in _METRICS:
        return _METRICS[metric]
    if metric.startswith("pass_at_") and metric.removeprefix("pass_at_").isdigit():
        return MetricTitle(f"pass@{metric.removeprefix('pass_at_')}", 3, percent=True)
    novelty = _NOVELTY.fullmatch(metric)
    if novelty:
        of = _METRICS[novelty["whole"]]
        return MetricTitle(f"{of.title} ({novelty['test'].replace('v1_1', 'v1.1')})", of.decimals, of.role)
    whole, dot, category = metric.partition(".")
    if dot and whole in _METRICS:
        of = _METRICS[whole]
        return MetricTitle(f"{of.title}: {category}", of.decimals, None, of.percent)
    return MetricTitle(metric.replace("_", " "))


def metric_family(metric: str) -> str:
    """The metric that this is another way of measuring: `distinct` for `distinct_exact`; else the metric."""
    novelty = _NOVELTY.fullmatch(metric)
    return novelty["whole"] if novelty else metric


def quality_beside(metric: str) -> str | None:
    """The measure of quality that a measure of diversity is set against; None for other metrics."""
    whole = metric_family(metric)
    beside = _QUALITY.get(whole)
    return f"{beside}{metric.removeprefix(whole)}" if beside is not None else None


def task_title(task: str) -> str:
    """A task's name for people; of one that is not known, the name itself."""
    if task in _TASKS:
        return _TASKS[task]
    if task.endswith(BASE_SUFFIX) and task.removesuffix(BASE_SUFFIX) in _TASKS:
        return f"{_TASKS[task.removesuffix(BASE_SUFFIX)]} (base prompt)"
    for tokens in ("_256", "_512"):
        if tokens in task and (name := task.replace(tokens, "", 1)) != task and task_title(name) != name:
            return f"{task_title(name)}, {tokens[1:]} tokens"
    subject = task.removeprefix("mmlu_label_")
    return f"MMLU: {subject.replace('_', ' ')}" if subject != task else task


def task_place(task: str) -> tuple[int, str]:
    """Where a task stands among the others: in the order of the suite, those that are not known last."""
    known = [name for name in _TASKS if task == name or task.startswith(f"{name}_")]
    name = max(known, key=len, default=None)
    return (list(_TASKS).index(name), task) if name is not None else (len(_TASKS), "")


def is_headline(task: str, metric: str) -> bool:
    """Whether a task's metric stands in the leaderboard unasked."""
    return metric_family(metric) in next(metrics for begin, metrics in _HEADLINES if task.startswith(begin))
