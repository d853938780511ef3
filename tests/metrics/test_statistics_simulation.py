"""Whether intervals cover what they promise, and tests err as seldom as they promise: by simulation.

Rates are of many seeded repetitions; the binomial standard error of each is said where it is bounded.
"""

from collections.abc import Callable

import numpy as np
import pytest

from diversity_eval.metrics.statistics import bootstrap_cis, holm, paired_tests

PROMPTS = 100
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


def coverage(shape: str, confidence: float) -> float:
    """Of 4,000 data sets. Columns share their draws, so no more than 400 at a time: else one seed decides."""
    draw, truth = SHAPES[shape]
    generator = np.random.default_rng(11)
    covered = []
    for seed in range(10):
        values = draw(generator, (PROMPTS, 400))
        lower, upper = bootstrap_cis(values, seed=seed, confidence=confidence, resamples=3_000)
        # An end that is the true mean on paper may miss it by a rounding error.
        covered.append((lower - 1e-9 <= truth) & (truth <= upper + 1e-9))
    return float(np.mean(covered))


@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_cover_the_true_mean_as_often_as_they_say(shape: str) -> None:
    assert 0.93 <= coverage(shape, 0.95) <= 0.97  # standard error 0.0035


def test_other_intervals_would_be_found_out() -> None:
    assert coverage("normal", 0.92) < 0.93
    assert coverage("normal", 0.98) > 0.97


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
    """The shares of 700 tables in which a difference is found that is not there, corrected and uncorrected.

    And the share of the true ones that is found. Ten tables share their sign patterns, which saves time.
    """
    generator = np.random.default_rng(5)
    batches, tables, family = 70, 10, 30
    corrected = uncorrected = found = 0
    for seed in range(batches):
        pairs = [table(generator, runs=6, columns=5) for _ in range(tables)]
        for values, _ in pairs:
            values[:, :true_differences] += 0.5 * values.std(axis=0).mean()
        a, b = (np.concatenate(side, axis=1) for side in zip(*pairs, strict=True))
        for p_values in paired_tests(a, b, seed=seed, family=family).p_value.reshape(tables, family):
            adjusted = np.array(holm(p_values.tolist()))
            corrected += bool((adjusted[true_differences:] < 0.05).any())
            uncorrected += bool((p_values[true_differences:] < 0.05).any())
            found += int((adjusted[:true_differences] < 0.05).sum())
    count = batches * tables
    return corrected / count, uncorrected / count, found / max(1, count * true_differences)


@pytest.mark.parametrize("true_differences", [0, 6])
def test_a_corrected_table_errs_in_at_most_six_of_a_hundred(true_differences: int) -> None:
    corrected, uncorrected, found = family_wise_errors(true_differences)
    assert corrected <= 0.06  # standard error 0.008 at 0.05; correlated columns err less often than that
    assert uncorrected > 0.2  # the same tables without the correction
    if true_differences:
        assert found > 0.9  # half a standard deviation is found


def test_a_corrected_table_of_independent_columns_errs_in_five_of_a_hundred() -> None:
    # Here Holm's bound is nearly reached, 1 - (1 - 0.05 / 30)^30, so that p-values half as large would show.
    generator = np.random.default_rng(8)
    batches, tables, family = 30, 40, 30
    errors = halved = 0
    for seed in range(batches):
        a, b = generator.lognormal(0, 0.4, (2, PROMPTS, tables * family))
        for p_values in paired_tests(a, b, seed=seed, family=family).p_value.reshape(tables, family):
            errors += min(holm(p_values.tolist())) < 0.05
            halved += min(holm((p_values / 2).tolist())) < 0.05
    assert 0.03 <= errors / (batches * tables) <= 0.06  # standard error 0.006
    assert halved / (batches * tables) > 0.06
