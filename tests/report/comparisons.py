"""Comparisons in small, for whatever writes them down; the numbers are made up."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diversity_eval.report.compare import compare_rows
from diversity_eval.report.comparison import Comparison, Row
from diversity_eval.report.evaluation import EvaluatedPrompt, Evaluation, MetricValues

Floats = np.ndarray[Any, np.dtype[np.float64]]
BETTER = {"self_bleu": False, "quality": True, "distinct": True, "utility": True, "accuracy": True,
"asr": False,
          "mass_right": True, "coverage": True, "success_rate": True}  # fmt: skip
SIGNATURE = {"k": "10", "temperature": "1", "top_p": "0.9", "max_new_tokens": "64", "data": "0c12f65b572a"}


def evaluation(
    checkpoint: str,
    task: str,
    values: Mapping[str, "Sequence[float] | Floats"],
    *,
    signature: Mapping[str, str] | None = None,
    available: int | None = None,
    prompts: Sequence[EvaluatedPrompt] | None = None,
) -> Evaluation:
    """One task of one run."""
    metrics = {}
    for name, column in values.items():
        array = np.array(column, dtype=np.float64)
        known = array[~np.isnan(array)]
        metrics[name] = MetricValues(
            name, array, float(known.mean()), float(known.std(ddof=1)) if known.size > 1 else math.nan,
            known.size, BETTER.get(name, True if name.startswith("pass_at") else None),
            {**SIGNATURE, "task": f"{task}@1.0", **(signature or {})},
        )  # fmt: skip
    count = len(next(iter(values.values())))
    return Evaluation(
        checkpoint, task, Path(f"samples_{task}.jsonl"),
        tuple(prompts) if prompts is not None else tuple(EvaluatedPrompt(str(n), f"prompt {n}") for n in
        range(count)),
        metrics, available if available is not None else count, {"task": task, "sample_seed": 7},
    )  # fmt: skip


def comparison(
    rows: Sequence[tuple[str, str, str | None]] = (("m-ce", "m", "ce"), ("m-tofu", "m", "tofu")),
    *,
    parameters: Mapping[str, Mapping[str, float]] | None = None,
    n: int = 40,
    groups: Mapping[str, Sequence[str]] | None = None,
    baseline: str | None = None,
    warnings: Sequence[str] = (),
) -> Comparison:
    """Stories with quality, NoveltyBench, ARC, attacks and coverage for rows of (label, model, loss)."""
    generator = np.random.default_rng(5)
    effect = {"base": -9.0, "ce": 0.0, "focal": -3.0, "gem": -5.0, "pr": -14.0, "tofu": -8.0}
    hard = generator.normal(0, 3, n)
    evaluations: list[Evaluation] = []
    made = []
    for label, model, loss in rows:
        shift = effect.get(loss or "", 0.0)
        own = [
            evaluation(
                label, "short_stories",
                {"self_bleu": 25 + shift + hard + generator.normal(0, 2, n),
                 "quality": np.clip(4.4 - (1.5 if loss == "pr" else 0) + generator.normal(0, 0.25, n), 0, 5)},
                available=100,
            ),
            evaluation(
                label, "novelty_bench",
                {"distinct": np.clip(4 - shift / 4 + generator.normal(0, 1, n), 1, 10),
                 "utility": np.clip(4 + generator.normal(0, 1, n), 1, 10)},
            ),
            evaluation(label, "arc_challenge_label", {"accuracy": (generator.random(n) < 0.7).astype(float)}),
            evaluation(label, "harmbench", {"asr": generator.random(n)}),
            evaluation(
                label, "math500_coverage",
                {"coverage": (generator.random(n) < 0.6).astype(float), "success_rate": generator.random(n),
                 **{f"pass_at_{k}": np.clip(generator.normal(0.2 + 0.1 * math.log2(k), 0.1, n), 0, 1)
                    for k in (1, 2, 4, 8, 16)}},
            ),
        ]  # fmt: skip
        places = tuple(range(len(evaluations), len(evaluations) + len(own)))
        evaluations += own
        made.append(Row(label, model, loss, dict((parameters or {}).get(label, {})), (), places))
    return compare_rows(made, evaluations, groups=groups, baseline=baseline, warnings=warnings, resamples=500)


PAPER_ROWS = [
    (f"{model}-{loss}", model, loss) for model in ("Qwen3-8B", "Phi-4-14B", "Pythia-12B")
    for loss in ("base", "ce", "focal", "gem", "pr", "tofu")
]  # fmt: skip


def around(mean: float, n: int = 30, seed: int = 0) -> list[float]:
    """Values with a standard deviation of one."""
    drawn: list[float] = (mean + np.random.default_rng(seed).normal(size=n)).tolist()
    return drawn


def rows_of_one(*labels: str) -> list[Row]:
    """Rows with one evaluation each, in their order."""
    return [Row(label, label, None, {}, (), (place,)) for place, label in enumerate(labels)]
