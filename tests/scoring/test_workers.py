import random

import numpy as np
import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.prompt_metrics import diversity_metrics
from diversity_eval.scoring import workers
from diversity_eval.scoring.workers import measure_here, metric_workers

WORDS = ["rain", "fell", "on", "the", "old", "roof", "while", "nobody", "slept", "until", "morning", "came"]


def some_prompts(count: int) -> list[tuple[tuple[str, ...], np.ndarray | None]]:
    draw = random.Random(5)
    prompts: list[tuple[tuple[str, ...], np.ndarray | None]] = []
    for number in range(count):
        responses = tuple(" ".join(draw.choices(WORDS, k=draw.randint(0, 12))) for _ in range(3))
        prompts.append((responses, np.eye(3) if number % 2 else None))
    return prompts


def test_several_processes_give_what_one_gives_in_the_same_order() -> None:
    prompts = some_prompts(420)
    with metric_workers(len(prompts), most=2) as measure:
        assert measure is not measure_here
        found = list(measure(prompts))
    expected = [diversity_metrics(responses, embeddings) for responses, embeddings in prompts]
    assert [list(values) for values in found] == [list(values) for values in expected]
    np.testing.assert_array_equal(
        [value for values in found for value in values.values()],
        [value for values in expected for value in values.values()],
    )


@pytest.mark.parametrize(("prompts", "most"), [(10, 8), (399, 8), (10_000, 1)])
def test_where_it_is_not_worth_it_no_process_is_started(
    prompts: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ProcessPoolExecutor", lambda *args, **kwargs: pytest.fail("started one"))
    with metric_workers(prompts, most=most) as measure:
        assert measure is measure_here
        assert next(iter(measure(some_prompts(1))))["unique_fraction"] > 0


def test_an_error_in_a_process_is_the_caller_s_and_the_processes_end() -> None:
    with metric_workers(10_000, most=2) as measure, pytest.raises(DiversityEvalError, match="one embedding"):
        list(measure([(("a", "b"), np.eye(3))] * 4))
    with pytest.raises(KeyboardInterrupt), metric_workers(10_000, most=2):
        raise KeyboardInterrupt
