import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.report import compare, load_runs
from diversity_eval.report.planes import front_of, planes
from tests.report.runs import write_run

POINTS = st.lists(
    st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan]) | st.floats(-5, 5)] * 2), max_size=12
)


def test_by_hand() -> None:
    assert front_of([(1, 1), (2, 2), (3, 0)]) == [1, 2]
    assert front_of([(1, 3), (2, 2), (3, 1)]) == [0, 1, 2]
    assert front_of([(1, 1), (1, 1), (0, 0)]) == [0, 1]
    assert front_of([(1, 2), (1, 1), (0, 2)]) == [0]
    assert front_of([(math.nan, 9), (0, 0)]) == [1]
    assert front_of([]) == []


@given(POINTS)
def test_it_is_what_no_point_dominates(points: list[tuple[float, float]]) -> None:
    known = [p for p in points if not any(map(math.isnan, p))]
    expected = [
        place
        for place, p in enumerate(points)
        if not any(map(math.isnan, p)) and not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in known)
    ]
    assert front_of(points) == expected


def test_diversity_stands_against_quality_of_the_same_responses_only(tmp_path: Path) -> None:
    for name, tokens in (("short", "64"), ("long", "256")):
        for checkpoint in ("a", "b"):
            values = {"self_bleu": [1.0 + len(name + checkpoint), 2.0], "quality": [3.0, 4.0]}
            write_run(tmp_path / checkpoint / name, checkpoint, values, fields={"max_new_tokens": tokens})
    found = planes(compare(load_runs([tmp_path]), resamples=100))
    assert [(plane.diversity.variant, plane.quality.variant) for plane in found] == [
        ("max_new_tokens 256", "max_new_tokens 256"), ("max_new_tokens 64", "max_new_tokens 64")
    ]  # fmt: skip


def test_distinct_stands_against_the_utility_of_its_own_classes(tmp_path: Path) -> None:
    names = ("distinct", "utility", "distinct_v1_1", "utility_v1_1")
    write_run(tmp_path, "a", {name: [1.0, 2.0] for name in names}, task="novelty_bench")
    found = planes(compare(load_runs([tmp_path]), resamples=100))
    assert [(plane.diversity.metric, plane.quality.metric) for plane in found] == [
        ("distinct", "utility"), ("distinct_v1_1", "utility_v1_1")
    ]  # fmt: skip
