import dataclasses
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.first_token import (
    FIRST_TOKEN_HIGHER_IS_BETTER,
    FirstTokenMetrics,
    Outcome,
    first_token_metrics,
)

Answers = dict[str, list[int]]


def logs(probabilities: dict[int, float]) -> dict[int, float]:
    return {token: math.log(p) if p > 0 else -math.inf for token, p in probabilities.items()}


def numbers(found: FirstTokenMetrics) -> dict[str, float]:
    return {name: getattr(found, name) for name in FIRST_TOKEN_HIGHER_IS_BETTER}


def listed(outcomes: tuple[Outcome, ...]) -> list[tuple[tuple[str, ...], str, tuple[int, ...], float]]:
    return [(part.answers, part.kind, part.tokens, round(part.probability, 12)) for part in outcomes]


def test_a_coin_by_hand() -> None:
    # Three quarters of what is right on heads, in two tokens; an eighth on an edge.
    found = first_token_metrics(
        {"heads": [1, 2], "tails": [3]}, {"edge": [4]}, logs({1: 0.25, 2: 0.125, 3: 0.125, 4: 0.125})
    )
    assert numbers(found) == pytest.approx(
        {
            "mass_right": 0.5,
            "entropy": -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)),
            "kl_uniform": 0.75 * math.log(1.5) + 0.25 * math.log(0.5),
            "mass_distractors": 0.125,
            "mass_shared": 0,
            "mass_rest": 0.375,
        },
        rel=1e-14,
    )
    assert listed(found.distribution) == [
        (("heads",), "right", (1, 2), 0.375),
        (("tails",), "right", (3,), 0.125),
        (("edge",), "distractor", (4,), 0.125),
    ]
    assert found.shared == ()


def test_right_answers_that_begin_alike_are_one_outcome_and_count_once() -> None:
    # Tuesday and Thursday share token 7; Monday has as much alone as would be even.
    found = first_token_metrics(
        {"Monday": [1], "Tuesday": [7, 8], "Friday": [2], "Thursday": [7]},
        {},
        logs({1: 0.2, 2: 0.2, 7: 0.3, 8: 0.1}),
    )
    assert found.mass_right == pytest.approx(0.8)
    # A quarter, a quarter, and a half for the two: as even as can be told.
    assert found.kl_uniform == pytest.approx(0, abs=1e-15)
    assert found.entropy == pytest.approx(1.5 * math.log(2))
    assert [outcome.answers for outcome in found.distribution] == [
        ("Monday",),
        ("Tuesday", "Thursday"),
        ("Friday",),
    ]
    assert listed(found.shared) == [(("Tuesday", "Thursday"), "right", (7,), 0.3)]


def test_links_reach_over_several_answers_in_any_order() -> None:
    # a and c are apart until b links them.
    found = first_token_metrics(
        {"a": [1], "c": [3], "d": [4], "b": [1, 3]}, {}, logs({1: 0.1, 3: 0.2, 4: 0.1})
    )
    assert listed(found.distribution) == [
        (("a", "c", "b"), "right", (1, 3), 0.3),
        (("d",), "right", (4,), 0.1),
    ]
    assert found.kl_uniform == pytest.approx(0, abs=1e-15)  # 3 of 4 answers have 3/4


def test_what_right_and_wrong_answers_share_is_kept_apart_and_links_nothing() -> None:
    found = first_token_metrics(
        {"June": [1, 5], "July": [2, 5], "May": [3]},
        {"Jupiter": [5], "Mars": [6, 7], "Moon": [7]},
        logs({1: 0.125, 2: 0.125, 3: 0.25, 5: 0.25, 6: 0.0625, 7: 0.0625}),
    )
    assert numbers(found) == pytest.approx(
        {
            "mass_right": 0.5,
            "entropy": 1.5 * math.log(2),
            "kl_uniform": 0.5 * math.log(0.75) + 0.5 * math.log(1.5),
            "mass_distractors": 0.125,
            "mass_shared": 0.25,
            "mass_rest": 0.125,
        }
    )
    assert [(part.answers, part.kind, part.tokens) for part in found.distribution] == [
        (("June",), "right", (1,)),
        (("July",), "right", (2,)),
        (("May",), "right", (3,)),
        (("Mars", "Moon"), "distractor", (6, 7)),
        (("June", "July", "Jupiter"), "shared", (5,)),
    ]
    assert listed(found.shared) == [
        (("June", "July", "Jupiter"), "shared", (5,), 0.25),
        (("Mars", "Moon"), "distractor", (7,), 0.0625),
    ]


def test_a_right_answer_without_a_token_of_its_own_leaves_evenness_undefined() -> None:
    found = first_token_metrics({"a": [1], "b": [2]}, {"x": [2]}, logs({1: 0.5, 2: 0.25}))
    assert math.isnan(found.entropy)
    assert math.isnan(found.kl_uniform)
    assert (found.mass_right, found.mass_shared, found.mass_distractors) == (0.5, 0.25, 0)
    assert [part.answers for part in found.distribution] == [("a",), ("b", "x")]


def test_nothing_on_right_answers_leaves_evenness_undefined() -> None:
    found = first_token_metrics({"a": [1], "b": [2]}, {"x": [3]}, logs({1: 0, 2: 0, 3: 0.5}))
    assert math.isnan(found.entropy)
    assert math.isnan(found.kl_uniform)
    assert (found.mass_right, found.mass_rest) == (0, 0.5)


def test_all_on_one_answer() -> None:
    found = first_token_metrics({"a": [1], "b": [2], "c": [3]}, {}, logs({1: 1.0, 2: 0, 3: 0}))
    assert (found.entropy, found.kl_uniform) == pytest.approx((0, math.log(3)))
    assert math.copysign(1, found.entropy) == 1
    only = first_token_metrics({"a": [1]}, {}, {1: -0.5})
    assert (only.entropy, only.kl_uniform) == (0, 0)


@pytest.mark.parametrize(("answers", "p"), [(2, 0.044), (4, 0.001), (8, 0.002), (10, 0.033)])
def test_rounding_makes_no_divergence_negative(answers: int, p: float) -> None:
    # Where -1e-16 would come out.
    found = first_token_metrics({str(i): [i] for i in range(answers)}, {}, logs(dict.fromkeys(range(10), p)))
    assert 0 <= found.kl_uniform < 1e-12


def test_probabilities_that_underflow_keep_their_proportions() -> None:
    found = first_token_metrics({"a": [1], "b": [2]}, {}, {1: -2000.0, 2: -2000.0 + math.log(3)})
    assert found.mass_right == 0
    assert found.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    # And one far below the other does not become 0 times minus infinity.
    found = first_token_metrics({"a": [1], "b": [2]}, {}, {1: -0.1, 2: -2000.0})
    assert (found.entropy, found.kl_uniform) == pytest.approx((0, math.log(2)))


def test_rounding_above_one_is_forgiven_and_more_is_not() -> None:
    found = first_token_metrics({"a": [1], "b": [2]}, {}, logs({1: 0.5, 2: 0.50009}))
    assert found.mass_rest == 0
    assert first_token_metrics({"a": [1]}, {}, {1: 1e-7}).mass_rest == 0
    with pytest.raises(DiversityEvalError, match=r"at most 1, but they sum to 1\.0002"):
        first_token_metrics({"a": [1], "b": [2]}, {}, logs({1: 0.5, 2: 0.5002}))


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5])
def test_what_is_no_log_probability_is_refused(value: float) -> None:
    with pytest.raises(DiversityEvalError, match=f"at most 0 for token 2, but got {value}"):
        first_token_metrics({"a": [1]}, {"x": [2]}, {1: -1.0, 2: value})


def test_missing_answers_and_tokens_are_refused() -> None:
    with pytest.raises(DiversityEvalError, match="at least one right answer"):
        first_token_metrics({}, {"x": [1]}, {1: -1.0})
    with pytest.raises(DiversityEvalError, match="'b' has none"):
        first_token_metrics({"a": [1], "b": []}, {}, {1: -1.0})
    with pytest.raises(DiversityEvalError, match="'x' has none"):
        first_token_metrics({"a": [1]}, {"x": []}, {1: -1.0})
    with pytest.raises(DiversityEvalError, match="for token 3, but got None"):
        first_token_metrics({"a": [1, 3]}, {}, {1: -1.0})


def test_tokens_that_no_answer_has_do_not_matter() -> None:
    tokens, wrong = {"a": [1, 1], "b": (2,)}, {"x": frozenset({3})}
    values = {1: -2.0, 2: -3.0, 3: -1.0}
    assert first_token_metrics(tokens, wrong, values) == first_token_metrics(
        tokens, wrong, {**values, 9: math.nan, 8: 0.0}
    )


def test_notes_are_json() -> None:
    found = first_token_metrics({"a": [1], "b": [1, 2]}, {"x": [3]}, logs({1: 0.5, 2: 0.25, 3: 0.125}))
    notes = json.loads(json.dumps(found.notes()))
    assert set(notes) == {"distribution", "shared"}
    assert notes["distribution"][1] == {
        "answers": ["x"],
        "kind": "distractor",
        "tokens": [3],
        "probability": pytest.approx(0.125),
    }
    assert notes["shared"][0]["answers"] == ["a", "b"]


def test_the_directions_name_the_numbers() -> None:
    assert dict(FIRST_TOKEN_HIGHER_IS_BETTER) == {
        "mass_right": True,
        "entropy": True,
        "kl_uniform": False,
        "mass_distractors": False,
        "mass_shared": None,
        "mass_rest": None,
    }
    fields = [field.name for field in dataclasses.fields(FirstTokenMetrics)]
    assert fields == [*FIRST_TOKEN_HIGHER_IS_BETTER, "distribution", "shared"]


# Properties

SIZE = 10
ids = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=4)
right_answers = st.dictionaries(st.sampled_from("abcdef"), ids, min_size=1)
wrong_answers = st.dictionaries(st.sampled_from("uvwxyz"), ids)
# One more for the rest of the vocabulary; zeros are common.
weights = st.lists(
    st.just(0.0) | st.floats(1e-6, 1.0), min_size=SIZE + 1, max_size=SIZE + 1
).filter(lambda values: sum(values) > 0)  # fmt: skip


def reference(right: Answers, wrong: Answers, p: np.ndarray) -> dict[str, float]:
    """By a matrix of which answers share a right token, multiplied until nothing changes."""
    begins = np.zeros((len(right), SIZE), bool)
    for row, tokens in enumerate(right.values()):
        begins[row, tokens] = True
    bad = np.zeros(SIZE, bool)
    bad[[token for tokens in wrong.values() for token in tokens]] = True
    good = begins.any(0)
    own = (begins & ~bad).astype(int)
    linked = own @ own.T > 0
    for _ in right:
        linked = (linked.astype(int) @ linked.astype(int)) > 0
    mass = float(p[good & ~bad].sum())
    found = {
        "mass_right": mass,
        "mass_distractors": float(p[bad & ~good].sum()),
        "mass_shared": float(p[good & bad].sum()),
        "mass_rest": float(1 - p[good | bad].sum()),
        "entropy": math.nan,
        "kl_uniform": math.nan,
    }
    if own.any(1).all() and mass > 0:
        groups = {tuple(row) for row in linked}
        q = np.array([p[own[list(group)].any(0)].sum() for group in groups]) / mass
        even = np.array([sum(group) for group in groups]) / len(right)
        kept = q > 0
        found["entropy"] = float(-(q[kept] * np.log(q[kept])).sum())
        found["kl_uniform"] = float((q[kept] * np.log(q[kept] / even[kept])).sum())
    return found


@given(right_answers, wrong_answers, weights)
def test_an_independent_reference_agrees(right: Answers, wrong: Answers, values: list[float]) -> None:
    p = np.array(values) / sum(values)
    found = first_token_metrics(right, wrong, logs(dict(enumerate(p[:SIZE].tolist()))))
    assert numbers(found) == pytest.approx(reference(right, wrong, p[:SIZE]), abs=1e-9, nan_ok=True)

    masses = [found.mass_right, found.mass_distractors, found.mass_shared, found.mass_rest]
    assert sum(masses) == pytest.approx(1)
    assert all(mass >= 0 for mass in masses)
    for kind, mass in zip(("right", "distractor", "shared"), masses[:3], strict=True):
        parts = [part for part in found.distribution if part.kind == kind]
        assert sum(part.probability for part in parts) == pytest.approx(mass)
        # Each token and each answer is in one outcome of a kind at most.
        assert max(Counter(i for part in parts for i in part.tokens).values(), default=1) == 1
        assert max(Counter(name for part in parts for name in part.answers).values(), default=1) == 1
    if not math.isnan(found.entropy):
        outcomes = sum(part.kind == "right" for part in found.distribution)
        assert 0 <= found.entropy <= math.log(outcomes) + 1e-12
        assert found.kl_uniform >= 0


@given(st.integers(1, 6), weights)
def test_without_shared_tokens_divergence_is_what_entropy_lacks(answers: int, values: list[float]) -> None:
    p = np.array(values) / sum(values)
    right = {f"answer {place}": [place] for place in range(answers)}
    found = first_token_metrics(right, {"x": [8]}, logs(dict(enumerate(p[:SIZE].tolist()))))
    if sum(values[:answers]) > 0:
        assert found.kl_uniform == pytest.approx(math.log(answers) - found.entropy, abs=1e-9)
    else:
        assert math.isnan(found.kl_uniform)


@given(right_answers, wrong_answers, weights, st.randoms(use_true_random=False))
def test_order_does_not_matter(right: Answers, wrong: Answers, values: list[float], random: object) -> None:
    def shuffled(answers: Answers) -> Answers:
        names = list(answers)
        random.shuffle(names)  # type: ignore[attr-defined]
        return {name: answers[name][::-1] for name in names}

    known = logs({token: value / sum(values) for token, value in enumerate(values[:SIZE])})
    one = first_token_metrics(right, wrong, known)
    other = first_token_metrics(shuffled(right), shuffled(wrong), dict(reversed(known.items())))
    assert numbers(one) == pytest.approx(numbers(other), abs=1e-12, nan_ok=True)
    for parts, others in ((one.distribution, other.distribution), (one.shared, other.shared)):
        assert {(part.kind, frozenset(part.answers), part.tokens) for part in parts} == {
            (part.kind, frozenset(part.answers), part.tokens) for part in others
        }


@given(weights, st.floats(-600, -1))
def test_scaling_all_probabilities_leaves_evenness_alone(values: list[float], shift: float) -> None:
    right = {"a": [0, 1], "b": [1, 2], "c": [3], "d": [4, 5]}
    known = logs({token: value / sum(values) for token, value in enumerate(values[:SIZE])})
    one = first_token_metrics(right, {}, known)
    other = first_token_metrics(right, {}, {token: value + shift for token, value in known.items()})
    pair = (other.entropy, other.kl_uniform)
    assert pair == pytest.approx((one.entropy, one.kl_uniform), abs=1e-9, nan_ok=True)
