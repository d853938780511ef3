import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.novelty import (
    PATIENCE,
    REWARD_THRESHOLDS,
    UNKNOWN,
    distinct,
    is_known,
    partition,
    representatives,
    reward_to_score,
    short_responses_same,
    utility,
)

Table = dict[tuple[str, str], bool | None]
Same = Callable[[list[tuple[str, str]]], list[bool | None]]


def one_at_a_time(
    responses: Sequence[str], says_same: Callable[[str, str], bool | None]
) -> tuple[list[int | None], list[set[tuple[str, str]]]]:
    """The benchmark's procedure, as it is told: one prompt, one pair after the other.

    Returns the classes, None for those that were open when a comparison failed, and for each representative
    the pairs that were compared.
    """
    label: list[int | None] = [None for _ in responses]
    compared: list[set[tuple[str, str]]] = []
    classes = 0
    for i, first in enumerate(responses):
        if label[i] is not None:
            continue
        label[i] = classes
        compared.append(set())
        failed = False
        for j in range(i + 1, len(responses)):
            if label[j] is not None:
                continue
            compared[-1].add((first, responses[j]))
            answer = says_same(first, responses[j])
            if answer is None:
                failed = True
            elif answer:
                label[j] = classes
        if failed:
            break
        classes += 1
    return label, compared


def relation(alphabet: str, answers: st.SearchStrategy[bool | None]) -> st.SearchStrategy[Table]:
    pairs = [(a, b) for a in alphabet for b in alphabet]
    return st.lists(answers, min_size=len(pairs), max_size=len(pairs)).map(
        lambda values: dict(zip(pairs, values, strict=True))
    )


def equivalences(alphabet: str) -> st.SearchStrategy[Table]:
    colours = st.lists(st.integers(0, 3), min_size=len(alphabet), max_size=len(alphabet))
    return colours.map(
        lambda colour: {
            (a, b): colour[i] == colour[j] for i, a in enumerate(alphabet) for j, b in enumerate(alphabet)
        }
    )


ALPHABET = "abcdefgh"
# Neither symmetric nor transitive nor reflexive, as it comes; mostly different, for many waves.
any_known = relation(ALPHABET, st.booleans()) | relation(ALPHABET, st.sampled_from([True] + [False] * 5))
some_unknown = relation(ALPHABET, st.sampled_from([None, True, *[False] * 6])) | relation(
    ALPHABET, st.sampled_from([None, False])
)
# Few letters give repeated texts, the permutations and 12 of 8 letters give many classes.
prompts = st.lists(
    st.lists(st.sampled_from(ALPHABET), max_size=12)
    | st.lists(st.sampled_from(ALPHABET[:2]), max_size=4)
    | st.permutations(ALPHABET),
    max_size=5,
)


def asking(table: Table, waves: list[list[tuple[str, str]]]) -> Same:
    def same(pairs: list[tuple[str, str]]) -> list[bool | None]:
        waves.append(pairs)
        return [table[pair] for pair in pairs]

    return same


@given(prompts, equivalences(ALPHABET) | any_known | some_unknown)
def test_the_classes_are_those_of_one_pair_at_a_time(batches: list[list[str]], table: Table) -> None:
    waves: list[list[tuple[str, str]]] = []
    found = partition(batches, asking(table, waves))
    expected = [one_at_a_time(responses, lambda a, b: table[a, b]) for responses in batches]
    assert found == [[UNKNOWN if c is None else c for c in classes] for classes, _ in expected]

    # Wave by wave just the pairs that the procedure compares, equal ones of several prompts once.
    by_wave = [
        set().union(*(compared[n] for _, compared in expected if n < len(compared)))
        for n in range(max((len(compared) for _, compared in expected), default=0))
    ]
    assert [set(wave) for wave in waves] == [wave for wave in by_wave if wave]
    assert [len(wave) for wave in waves] == [len(wave) for wave in by_wave if wave]


@given(prompts, any_known | some_unknown)
def test_prompts_do_not_touch_each_other_and_nothing_depends_on_chance(
    batches: list[list[str]], table: Table
) -> None:
    waves: list[list[list[tuple[str, str]]]] = [[], []]
    together = partition(batches, asking(table, waves[0]))
    again = partition(batches, asking(table, waves[1]))
    assert (together, waves[0]) == (again, waves[1])
    backwards = partition(batches[::-1], asking(table, []))
    assert backwards[::-1] == together
    assert [partition([responses], asking(table, []))[0] for responses in batches] == together


@given(st.permutations(range(10)), st.lists(st.integers(0, 4), min_size=10, max_size=10))
def test_an_equivalence_relation_gives_its_classes_in_any_order(order: list[int], colour: list[int]) -> None:
    (found,) = partition([order], lambda pairs: [colour[a] == colour[b] for a, b in pairs])
    assert distinct(found) == len(set(colour))
    for a, label in zip(order, found, strict=True):
        assert [label == other for other in found] == [colour[a] == colour[b] for b in order]
    # Counted from 0 in the order of their first members.
    firsts = [found.index(label) for label in range(distinct(found))]
    assert firsts == sorted(firsts) == representatives(found)


def test_only_the_representative_counts_not_the_other_members() -> None:
    # b joins a; c is like b but not like a, so it opens a class.
    table = {("a", "b"): True, ("a", "c"): False, ("b", "c"): True}
    assert partition([["a", "b", "c"]], lambda pairs: [table[p] for p in pairs]) == [[0, 0, 1]]
    # And the earlier response comes first in the pair: here only (b, a) would be the same.
    waves: list[list[tuple[str, str]]] = []
    one_way: Table = {("a", "b"): False, ("b", "a"): True}
    assert partition([["a", "b"]], asking(one_way, waves)) == [[0, 1]]
    assert waves == [[("a", "b")]]


def test_repeated_texts_are_asked_about_too_once() -> None:
    waves: list[list[tuple[str, str]]] = []
    never: Table = {(a, b): False for a in "ab" for b in "ab"}
    assert partition([["a", "b", "a", "b"], ["a", "a"]], asking(never, waves)) == [[0, 1, 2, 3], [0, 1]]
    assert waves == [[("a", "b"), ("a", "a")], [("b", "a"), ("b", "b")], [("a", "b")]]


def test_nothing_to_compare() -> None:
    def never(pairs: list[tuple[str, str]]) -> list[bool | None]:
        raise AssertionError(pairs)

    assert partition([], never) == []
    assert partition([[], ["a"], []], never) == [[], [0], []]


def test_prompts_of_unequal_length_end_at_their_own_time() -> None:
    waves: list[list[tuple[str, str]]] = []
    alike: Table = {(a, b): a == b for a in "abcd" for b in "abcd"}
    found = partition([["a", "b", "c", "d"], ["a"], [], ["c", "c", "c"], ["b", "d"]], asking(alike, waves))
    assert found == [[0, 1, 2, 3], [0], [], [0, 0, 0], [0, 1]]
    assert [len(wave) for wave in waves] == [5, 2, 1]


def test_what_is_not_known_ends_its_prompt_only() -> None:
    table: Table = {(a, b): False for a in "abcd" for b in "abcd"}
    table |= {("a", "b"): None, ("a", "c"): True, ("d", "d"): True}
    waves: list[list[tuple[str, str]]] = []
    found = partition([["a", "b", "c", "d"], ["d", "d", "c"], ["b", "a"]], asking(table, waves))
    # What the same wave said of the others is kept; after it nothing is asked for that prompt.
    assert found == [[0, UNKNOWN, 0, UNKNOWN], [0, 0, 1], [0, 1]]
    assert waves == [[("a", "b"), ("a", "c"), ("a", "d"), ("d", "d"), ("d", "c"), ("b", "a")]]
    assert [is_known(classes) for classes in found] == [False, True, True]
    # One that is the last of its prompt leaves a gap as well.
    late: Table = {("a", "b"): False, ("a", "c"): False, ("b", "c"): None}
    assert partition([["a", "b", "c"]], asking(late, [])) == [[0, 1, UNKNOWN]]


@pytest.mark.parametrize("answers", [[], [True], [True, False, True]])
def test_another_number_of_answers_is_an_error(answers: list[bool | None]) -> None:
    with pytest.raises(DiversityEvalError, match=rf"each of 2 pairs, but it returned {len(answers)}"):
        partition([["a", "b", "c"]], lambda pairs: answers)


def test_truth_values_of_numpy_will_do() -> None:
    matrix = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    assert partition([[0, 1, 2]], lambda pairs: [matrix[pair] for pair in pairs]) == [[0, 1, 0]]


# Distinct, representatives


def test_distinct_is_the_number_of_classes_not_the_highest_index() -> None:
    assert distinct([0, 1, 1]) == 2
    assert distinct([0]) == 1
    assert distinct([0, 0, 0]) == 1
    assert distinct(range(10)) == 10


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_representatives_are_the_places_where_a_class_is_seen_first(classes: list[int]) -> None:
    expected = [place for place, label in enumerate(classes) if label not in classes[:place]]
    assert representatives(classes) == expected
    assert len(expected) == distinct(classes)


@pytest.mark.parametrize("measure", [distinct, representatives, lambda p: utility(p, [1.0] * len(p))])
def test_an_unknown_or_empty_partition_has_no_value(measure: Callable[[list[int]], object]) -> None:
    with pytest.raises(DiversityEvalError, match="at least one response, but got none"):
        measure([])
    with pytest.raises(DiversityEvalError, match="not defined: 2 responses have no class"):
        measure([0, UNKNOWN, 1, UNKNOWN])


# Rewards

THRESHOLDS = [-7.71875, -6.28125, -6.0, -5.71875, -5.5, -5.0, -4.375, -3.4375, -2.046875]


@pytest.mark.parametrize(("place", "threshold"), list(enumerate(THRESHOLDS)))
def test_a_reward_at_a_threshold_is_not_above_it(place: int, threshold: float) -> None:
    assert reward_to_score(math.nextafter(threshold, -math.inf)) == place + 1
    assert reward_to_score(threshold) == place + 1
    assert reward_to_score(math.nextafter(threshold, math.inf)) == place + 2


def test_scores_go_from_1_to_10() -> None:
    assert list(REWARD_THRESHOLDS) == THRESHOLDS
    assert reward_to_score(-math.inf) == reward_to_score(-1e9) == 1
    assert reward_to_score(math.inf) == reward_to_score(0) == 10
    with pytest.raises(DiversityEvalError, match=r"the reward is nan.*dtype"):
        reward_to_score(math.nan)


@given(st.floats(allow_nan=False), st.lists(st.floats(-9, 9), unique=True).map(sorted))
def test_the_score_counts_the_thresholds_below(reward: float, thresholds: list[float]) -> None:
    assert reward_to_score(reward, thresholds) == 1 + sum(threshold < reward for threshold in thresholds)


# Utility


def test_utility_by_hand() -> None:
    # One response: its score.
    assert utility([0], [7]) == 7
    # Weights 1 and 0.8. Both new: (8 + 0.8 * 5) / 1.8. The second nothing new: 8 / 1.8.
    assert utility([0, 1], [8, 5]) == pytest.approx(12 / 1.8)
    assert utility([0, 0], [8, 5]) == pytest.approx(8 / 1.8)
    # Weights 1, 0.8 and 0.64. The second nothing new: (10 + 0.64 * 3) / 2.44.
    assert utility([0, 0, 1], [10, None, 3]) == pytest.approx(11.92 / 2.44)
    assert utility([0, 1, 1], [10, 4, 3]) == pytest.approx(13.2 / 2.44)
    assert utility([0, 1, 2], [1, 1, 1]) == pytest.approx(1)
    # Half the patience: weights 1 and 0.5.
    assert utility([0, 1], [8, 5], patience=0.5) == pytest.approx(10.5 / 1.5)
    assert utility([0, 1], [8, 5], patience=1) == pytest.approx(6.5)
    assert PATIENCE == 0.8


scored = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 10)), min_size=1, max_size=16)


@given(scored)
@example([(0, 10)] * 10)
def test_utility_equals_numpy_s_weighted_mean(responses: list[tuple[int, int]]) -> None:
    classes = [label for label, _ in responses]
    worth = [score if label not in classes[:place] else 0 for place, (label, score) in enumerate(responses)]
    expected = np.average(worth, weights=0.8 ** np.arange(len(worth)))
    value = utility(classes, [score for _, score in responses])
    assert value == pytest.approx(expected, rel=1e-12)
    assert 0 < value <= 10


def test_a_score_that_counts_and_is_missing_makes_it_nan() -> None:
    assert math.isnan(utility([0, 1], [8, None]))
    assert math.isnan(utility([0, 1], [math.nan, 8]))
    assert math.isnan(utility([0], [None]))
    # Those of responses that bring nothing new do not count.
    assert utility([0, 0, 0], [8, None, math.nan]) == pytest.approx(8 / 2.44)


def test_utility_refuses_what_does_not_fit() -> None:
    with pytest.raises(DiversityEvalError, match="one score per response, but got 1 for 2 responses"):
        utility([0, 1], [8])
    for patience in (0, -0.5, 1.01, math.nan, math.inf):
        with pytest.raises(DiversityEvalError, match="expected a number above 0, at most 1"):
            utility([0, 1], [8, 5], patience=patience)


# Short responses


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("", "", True),
        ("", "word", False),
        ("", " \n", True),
        ("one", "one", True),
        ("one", "two", False),
        ("one", "one two", True),  # 2 * 1 >= 2
        ("one", "one two three", False),  # 2 * 1 >= 3
        ("one two", "one four five", False),
        ("one two", "one two five six", True),  # 2 * 2 >= 4
        ("one two", "one two five six seven", False),  # 2 * 2 >= 5
        ("one two three", "three two one six seven", True),  # 2 * 3 >= 5
        ("a b c d e", "a b c d e", True),
        ("a b c d e", "a b c d e f", None),
        ("a b c d e f", "a", None),
        ("", "a b c d e f", None),
        ("a b c d e f", "a b c d e f", None),
        ("Paris", "PARIS", True),
        ("ÉTÉ", "été", True),
        ("Paris.", "Paris", False),  # punctuation belongs to the word
        ("a a a", "a", False),  # the length counts repeated words, what is shared does not: 2 * 1 >= 3
        ("a a", "a a", True),  # 2 * 1 >= 2
        ("a a a", "a a a", False),  # 2 * 1 >= 3: so says the rule
        ("a\tb\nc", " a  b c ", True),
        ("a\u00a0b\u2003c", "a b c", True),  # a no-break and a wide space are white space
        ("a\u200bb", "a b", False),  # a space of width zero is none
        ("a\u3000b\u2028c\u0085d\x1ce f", "a b c d e", None),  # six words
    ],
)
def test_short_responses_by_hand(a: str, b: str, same: bool | None) -> None:
    assert short_responses_same(a, b) is same
    assert short_responses_same(b, a) is same


@given(st.lists(st.sampled_from("abAB"), max_size=7), st.lists(st.sampled_from("abAB"), max_size=7))
def test_short_responses_by_counting(a: list[str], b: list[str]) -> None:
    shared = sum(
        any(letter in word.lower() for word in a) and any(letter in word.lower() for word in b)
        for letter in "ab"
    )
    longer = len(a) if len(a) > len(b) else len(b)
    expected = None if longer > 5 else shared >= longer / 2
    assert short_responses_same(" ".join(a), "\n".join(b)) is expected
