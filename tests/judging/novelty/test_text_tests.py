from collections.abc import Sequence

import pytest
from rouge_score.rouge_scorer import RougeScorer

from diversity_eval.judging.novelty.items import Comparison, PairTest
from diversity_eval.judging.novelty.text_tests import ExactTest, Rouge1Test
from tests.judging.novelty.counting import answers

RESPONSES = (
    "The old library by the harbour.",
    "the old library, by the harbour",
    "A library by an old harbour.",
    "The beach.",
    "The beach.",
    "",
    "中本",
)


def compared(test: PairTest, pairs: Sequence[tuple[str, str]]) -> tuple[list[Comparison], int]:
    """In the order of the pairs, and how many batches they came in."""
    found: dict[int, Comparison] = {}
    batches = 0

    def keep(batch: Sequence[tuple[int, Comparison]]) -> None:
        nonlocal batches
        batches += 1
        assert not found.keys() & {index for index, _ in batch}
        found.update(batch)

    prompts = [answers("p", pair) for pair in pairs]
    test.compare([(a, b) for a, b in prompts], keep)
    assert test.record() == {}
    test.close()
    return [found[index] for index in range(len(pairs))], batches


ALL = [(a, b) for a in RESPONSES for b in RESPONSES]


def test_equal_texts_are_exactly_the_same() -> None:
    found, _ = compared(ExactTest(), ALL)
    assert found == [Comparison(a == b) for a, b in ALL]
    assert compared(ExactTest(), [("a", "A"), ("a", "a "), ("é", "e\u0301")])[0] == [Comparison(False)] * 3


@pytest.mark.parametrize("threshold", [0.0, 0.458, 0.9, 1.0])
def test_rouge_above_the_threshold_by_google_s_numbers(threshold: float) -> None:
    scorer = RougeScorer(["rouge1"], use_stemmer=False)
    found, _ = compared(Rouge1Test(threshold), ALL)
    for (a, b), comparison in zip(ALL, found, strict=True):
        expected = scorer.score(a, b)["rouge1"].fmeasure
        assert comparison.probability == pytest.approx(1 if a == b else expected)
        assert comparison.same == (expected > threshold or a == b)
        assert (comparison.cut, comparison.reason) == ((False, False), "")


def test_equal_texts_without_any_letter_that_rouge_knows_are_the_same() -> None:
    pairs = [("三月的雨", "三月的雨"), ("三月的雨", "四月的雪"), ("🙂 🙂", "🙂 🙂")]
    assert [c.same for c in compared(Rouge1Test(0.458), pairs)[0]] == [True, False, True]


def test_at_the_threshold_is_not_above_it() -> None:
    # One of two words shared: precision 1/2, recall 1/2.
    assert compared(Rouge1Test(0.5), [("a b", "b c")])[0] == [Comparison(False, 0.5)]
    assert compared(Rouge1Test(0.499), [("a b", "b c")])[0] == [Comparison(True, 0.5)]


def test_many_pairs_come_in_portions_so_that_progress_is_seen() -> None:
    pairs = [(f"word{index % 7}", f"word{index % 5}") for index in range(2_500)]
    found, batches = compared(Rouge1Test(0.458), pairs)
    assert [comparison.same for comparison in found] == [a == b for a, b in pairs]
    assert batches > 1
