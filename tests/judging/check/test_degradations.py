import random
from collections import Counter
from collections.abc import MutableSequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.check.cases import Case
from diversity_eval.judging.check.degradations import (
    DEGRADATIONS,
    cut_off,
    degrade,
    half_replaced,
    repeated,
    shuffled,
)
from tests.judging.check.known_judges import story_cases

TEXT = "The boat was old.\nIt had two sails, one of them red. Nobody had sailed it for years!"
OTHER = "Bread needs flour and time. Salt helps."
CASES = story_cases(12)

texts = st.text(alphabet="ab c.!?\n\t\u2028é", max_size=60)


def test_shuffled_moves_words_and_leaves_the_layout() -> None:
    found = shuffled(TEXT, random.Random(0))
    assert found is not None
    assert found != TEXT
    assert Counter(found.split()) == Counter(TEXT.split())
    assert found.count("\n") == TEXT.count("\n") == 1
    assert len(found) == len(TEXT)


@given(texts, st.integers(0, 50))
def test_shuffled_always_changes_the_order_or_is_none(text: str, seed: int) -> None:
    found = shuffled(text, random.Random(seed))
    if found is None:
        assert len(text.split()) < 5 or len(set(text.split())) == 1
    else:
        assert found.split() != text.split()
        assert sorted(found.split()) == sorted(text.split())


def test_a_shuffle_that_changes_nothing_is_mended() -> None:
    class Lazy(random.Random):
        def shuffle(self, x: MutableSequence[Any]) -> None:
            pass

    assert shuffled("one two  three four five", Lazy()) == "two three  four five one"
    assert shuffled("no no no no no", Lazy()) is None


def test_half_replaced_by_hand() -> None:
    # Words: 18 of the text, of which 9 stay; 7 of the other, of which the last 4 come.
    found = half_replaced(TEXT, OTHER)
    assert found == "The boat was old.\nIt had two sails, one and time. Salt helps."
    assert half_replaced("only four words here", OTHER) is None
    assert half_replaced(TEXT, "one") is None


def test_repeated_repeats_one_sentence_where_it_stands() -> None:
    sentences = ["The boat was old.", "It had two sails, one of them red.", "Nobody had sailed it for years!"]
    gaps = ["\n", " "]
    seen = set()
    for seed in range(30):
        found = repeated(TEXT, random.Random(seed))
        assert found is not None
        for place, sentence in enumerate(sentences):
            parts = [" ".join([s] * 10) if i == place else s for i, s in enumerate(sentences)]
            if found == f"{parts[0]}{gaps[0]}{parts[1]}{gaps[1]}{parts[2]}":
                seen.add(sentence)
    assert seen == set(sentences)


def test_repeated_needs_a_sentence_with_a_word() -> None:
    assert repeated("... !\n?", random.Random(0)) is None
    assert repeated("42", random.Random(0)) == " ".join(["42"] * 10)


def test_cut_off_keeps_a_beginning_of_about_60_percent() -> None:
    text = " ".join(f"word{i}" for i in range(100))
    found = {cut_off(text, random.Random(seed)) for seed in range(20)}
    # 60 words, or half of the 61st: "word60" has six letters.
    assert found == {" ".join(text.split()[:60]), " ".join(text.split()[:60]) + " wor"}


def test_cut_off_never_ends_with_a_sentence() -> None:
    # 60 % of eight words are four, but the fourth ends a sentence.
    found = {cut_off("So it was that. She left and cried", random.Random(seed)) for seed in range(20)}
    assert found == {"So it was that. She", "So it was that. She le"}
    # Three of five; the third, fourth and fifth all end one.
    assert cut_off("Go on now. \u201cStop.\u201d Home!", random.Random(0)) is None
    assert cut_off("Too short to cut", random.Random(0)) is None


@given(texts, st.integers(0, 50))
def test_cut_off_is_a_true_beginning(text: str, seed: int) -> None:
    found = cut_off(text, random.Random(seed))
    if found is not None:
        assert text.strip().startswith(found)
        assert 0 < len(found) < len(text.strip())


def test_every_degradation_is_deterministic_and_changes_the_text() -> None:
    for case in CASES:
        for name in DEGRADATIONS:
            found = degrade(name, case, CASES, 7)
            assert found is not None
            assert found.split() != case.response.split()
            assert degrade(name, case, CASES, 7) == found


def test_the_seed_decides() -> None:
    for name in ("shuffled", "other_prompt", "half_replaced", "repeated"):
        assert any(degrade(name, case, CASES, 1) != degrade(name, case, CASES, 2) for case in CASES), name


def test_only_being_cut_off_must_cost_nothing() -> None:
    assert [name for name, entry in DEGRADATIONS.items() if not entry.costs] == ["cut"]
    assert list(DEGRADATIONS) == ["shuffled", "other_prompt", "half_replaced", "repeated", "empty", "cut"]


def test_other_responses_are_of_the_same_kind_another_prompt_and_other_words() -> None:
    case = Case("a", "story", "p", "the same few words")
    unusable = [
        case,
        Case("b", "story", "p", "of the same prompt"),
        Case("c", "instruction", "q", "of another kind"),
        Case("d", "story", "q", "the same  few words"),
        Case("e", "story", "q", "one"),
        Case("f", "story", "q", "  "),
    ]
    assert degrade("other_prompt", case, unusable, 0) is None
    assert degrade("half_replaced", case, unusable, 0) is None
    usable = Case("g", "story", "q", "something quite different here")
    for seed in range(10):
        assert degrade("other_prompt", case, [*unusable, usable], seed) == usable.response
    assert degrade("other_prompt", case, [], 0) is None


def test_every_other_response_may_be_taken() -> None:
    case = CASES[0]
    taken = {degrade("other_prompt", case, CASES, seed) for seed in range(200)}
    assert taken == {other.response for other in CASES[1:]}


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_what_makes_no_difference_is_none(name: str) -> None:
    assert degrade(name, Case("a", "story", "p", " \n "), CASES, 0) is None
    short = degrade(name, Case("a", "story", "p", "Yes."), CASES, 0)
    assert (short is None) == (name in ("shuffled", "half_replaced", "cut"))


def test_half_replaced_by_the_same_half_is_none() -> None:
    case = Case("a", "story", "p", "we saw it rain all day")
    other = Case("b", "story", "q", "they let it rain all day")
    assert degrade("half_replaced", case, [case, other], 0) is None


def test_long_texts_take_no_time() -> None:
    for text in (" " * 50_000 + "a", "a " * 25_000, "!" * 50_000, "\n" * 50_000 + "a b c d e f"):
        for name in DEGRADATIONS:
            degrade(name, Case("a", "story", "p", text), CASES, 0)
