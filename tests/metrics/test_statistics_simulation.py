"""Whether intervals cover what they promise, and tests err as seldom as they promise: by simulation.

Rates are of many seeded repetitions; the binomial standard error of each is said where it is bounded.
"""

from collections.abc import Callable

import numpy as np
import pytest

from diversity_eval.metrics.statistics import bootstrap_cis, holm, paired_tests

PROMPTS = 100
REPETITIONS = 4_000
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

# What the metrics of this project look like, with their true means.
SHAPES: dict[str, tuple[Draw, float]] = {
    "Self-BLEU, skewed": (lambda g, size: g.lognormal(3, 0.4, size), float(np.exp(3.08))),
    "quality, the mean of ten ratings of 0 to 5": (
        lambda g, size: g.binomial(5, 0.9, (10, *size)).mean(axis=0),
        4.5,
    ),
    "accuracy, right or wrong": (lambda g, size: (g.random(size) < 0.3).astype(float), 0.3),
    "attack success, mostly none": (lambda g, size: g.binomial(10, g.beta(0.5, 2, size)) / 10, 0.2),
    "Distinct, one to ten": (lambda g, size: 1.0 + g.binomial(9, 0.45, size), 5.05),
    "normal": (lambda g, size: g.normal(0, 1, size), 0.0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_cover_the_true_mean_as_often_as_they_say(shape: str) -> None:
    draw, truth = SHAPES[shape]
    values = draw(np.random.default_rng(11), (PROMPTS, REPETITIONS))
    lower, upper = bootstrap_cis(values, seed=1, resamples=3_000)
    coverage = float(((lower <= truth) & (truth <= upper)).mean())
    assert 0.93 <= coverage <= 0.97  # standard error 0.0035


def test_a_narrower_interval_would_be_found_out() -> None:
    draw, truth = SHAPES["normal"]
    values = draw(np.random.default_rng(11), (PROMPTS, REPETITIONS))
    lower, upper = bootstrap_cis(values, seed=1, resamples=3_000, confidence=0.92)
    assert float(((lower <= truth) & (truth <= upper)).mean()) < 0.93


def table(generator: np.random.Generator, runs: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A baseline and runs without any true difference: (prompts, runs x columns), twice.

    A prompt is easy or hard for all of them, and a run's metrics are correlated. Skewed, as Self-BLEU is.
    """
    prompt = generator.normal(size=(PROMPTS, 1, 1))
    shared = generator.normal(size=(PROMPTS, runs + 1, 1))
    noise = generator.normal(size=(PROMPTS, runs + 1, columns))
    values = np.exp(0.4 * (prompt + 0.7 * shared + 0.7 * noise))
    baseline = np.repeat(values[:, :1], runs, axis=1).reshape(PROMPTS, -1)
    return values[:, 1:].reshape(PROMPTS, -1), baseline


def family_wise_errors(true_differences: int) -> tuple[float, float, float]:
    """The shares of tables in which a difference is found that is not there, corrected and uncorrected.

    And the share of the true ones that is found.
    """
    generator = np.random.default_rng(5)
    tables, runs, columns = 700, 5, 4
    corrected = uncorrected = found = 0
    for number in range(tables):
        values, baseline = table(generator, runs, columns)
        values[:, :true_differences] += 0.5 * values.std(axis=0).mean()
        outcome = paired_tests(values, baseline, seed=number, resamples=1_000).p_value
        adjusted = np.array(holm(outcome.tolist()))
        corrected += bool((adjusted[true_differences:] < 0.05).any())
        uncorrected += bool((outcome[true_differences:] < 0.05).any())
        found += int((adjusted[:true_differences] < 0.05).sum())
    return corrected / tables, uncorrected / tables, found / max(1, tables * true_differences)


@pytest.mark.parametrize("true_differences", [0, 6])
def test_a_corrected_table_errs_in_at_most_six_of_a_hundred(true_differences: int) -> None:
    corrected, uncorrected, found = family_wise_errors(true_differences)
    assert corrected <= 0.06  # standard error 0.008 at 0.05
    assert uncorrected > 0.2  # the same tables without the correction
    if true_differences:
        assert found > 0.9  # half a standard deviation is found
