"""Against Google's own implementation."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from diversity_eval.metrics.rouge import rouge_1_f
from tests.metrics.nasty_text import nasty_text, word_soup

GOOGLE = RougeScorer(["rouge1"], use_stemmer=False)

PLAIN = (
    "My favourite place is the old library by the harbour, where it's always quiet.",
    "I would pick the harbour. The library there is old, and old things are quiet things!",
    "Café, naïve, Straße: 42 per cent of 3,000 ideas (1.5 each).",
    "The the THE the.",
    "Ὀδυσσεύς 中本 🙂",
    "snake_case and kebab-case and CamelCase",
    "",
    " \n\t",
    "...",
)


def google(a: str, b: str) -> float:
    return float(GOOGLE.score(a, b)["rouge1"].fmeasure)


@pytest.mark.parametrize("a", PLAIN)
@pytest.mark.parametrize("b", PLAIN)
def test_texts_as_models_write_them(a: str, b: str) -> None:
    assert rouge_1_f(a, b) == pytest.approx(google(a, b), abs=1e-15)


@given(nasty_text | word_soup, nasty_text | word_soup)
@example("\u0130stanbul", "i stanbul")
@example("\u212a", "k")
@example("ÅB", "a\u030ab")
def test_odd_texts(a: str, b: str) -> None:
    assert rouge_1_f(a, b) == pytest.approx(google(a, b), abs=1e-15)


@given(st.text(), st.text())
def test_any_texts_both_ways_round(a: str, b: str) -> None:
    value = rouge_1_f(a, b)
    assert value == pytest.approx(google(a, b), abs=1e-15)
    assert rouge_1_f(b, a) == pytest.approx(value, abs=1e-15)
    assert 0 <= value <= 1


def test_by_hand() -> None:
    # the twice, cat once; the once, cat once, sat once: the and cat are shared. P 2/3, R 2/3.
    assert rouge_1_f("the cat the", "The cat sat.") == pytest.approx(2 / 3)
    # Of "a a a" one meets the "a": P 1, R 1/3, F 1/2.
    assert rouge_1_f("a a a", "a") == pytest.approx(0.5)
    assert rouge_1_f("Same words.", "same WORDS") == 1
    assert rouge_1_f("", "") == 0
