"""The coverage family over a verifier whose equality is known: numbers that leave the same rest by seven."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.metrics.coverage import majority_vote
from diversity_eval.scoring.coverage import CoverageScorer
from diversity_eval.scoring.family import PromptResponses
from diversity_eval.scoring.unverified import Unverified
from diversity_eval.verifying import Verification


class Modular:
    """`12` is right if the reference leaves the same rest; `?` is unverifiable, an empty text no answer."""

    def __init__(self) -> None:
        self.compared: list[tuple[str, str]] = []

    def verify_all(self, problems: Sequence[tuple[str, Sequence[str]]]) -> list[list[Verification]]:
        return [[self._verify(reference, text) for text in texts] for reference, texts in problems]

    def _verify(self, reference: str, text: str) -> Verification:
        if not text:
            return Verification("missing", None)
        if "?" in text:
            return Verification("unverifiable", text, "a question")
        return Verification("right" if int(text) % 7 == int(reference) % 7 else "wrong", text)

    def equal_all(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        self.compared += pairs
        return [None if "?" in a + b else int(a) % 7 == int(b) % 7 for a, b in pairs]

    def signature_fields(self) -> dict[str, str]:
        return {"verifier": "modular"}


def values_of(*texts: str, largest_k: int = 4, reference: str = "3") -> dict[str, float]:
    scorer = CoverageScorer(Modular(), largest_k=largest_k)
    prompt = PromptResponses(texts, reference=reference)
    scorer.judge_all([prompt])
    return scorer.values(prompt)


def test_values_by_hand() -> None:
    values = values_of("3", "10", "4", "")
    assert values["success_rate"] == values["pass_at_1"] == 0.5
    assert values["pass_at_2"] == pytest.approx(1 - 1 / 6)  # of six pairs only (4, "") has no right one
    assert values["coverage"] == values["pass_at_4"] == 1
    assert values["majority_vote"] == 1
    assert (values["answers_missing"], values["answers_unverifiable"]) == (1, 0)


def test_fewer_responses_than_k_have_no_coverage() -> None:
    values = values_of("3", "4", largest_k=4)
    assert values["coverage"] != values["coverage"]
    assert values["pass_at_2"] == 1


def test_unverifiable_answers_are_not_right_and_vote_by_their_text() -> None:
    values = values_of("?", "?", "3", "4?")
    assert (values["success_rate"], values["answers_unverifiable"]) == (0.25, 3)
    assert values["majority_vote"] == 0


@given(st.lists(st.sampled_from(["3", "10", "4", "11", "18", "5", "12", "?", ""]), min_size=1, max_size=16))
def test_the_vote_is_that_of_all_answers_put_into_classes(texts: list[str]) -> None:
    verifier = Modular()
    scorer = CoverageScorer(verifier, largest_k=1)
    prompt = PromptResponses(tuple(texts), reference="3")
    scorer.judge_all([prompt])
    # Every rest is a class, the unverifiable one its own; those without an answer have none.
    classes = [None if not text else -1 if text == "?" else int(text) % 7 for text in texts]
    assert scorer.values(prompt)["majority_vote"] == pytest.approx(majority_vote(classes, {3}))


def test_the_solver_is_asked_only_where_it_matters() -> None:
    verifier = Modular()
    scorer = CoverageScorer(verifier, largest_k=1)
    decided = [
        PromptResponses(("3", "3", "4", "5"), reference="3"),  # asked: 4 and 5 may be one answer
        PromptResponses(("3", "3", "3", "4", "5"), reference="3"),  # the right ones are more than all others
        PromptResponses(("4", "4", "5", "3"), reference="3"),  # one wrong text outvotes them already
        PromptResponses(("4", "11", "18"), reference="3"),  # nothing is right
    ]
    scorer.judge_all(decided)
    assert verifier.compared == [("4", "5")]


def test_names_and_signatures() -> None:
    scorer = CoverageScorer(Modular(), largest_k=6, categories=["Algebra", "level 5", "Algebra"])
    names = scorer.names
    assert list(names.main) == [
        "coverage", "success_rate", "majority_vote", "pass_at_1", "pass_at_2", "pass_at_4", "pass_at_6",
    ]  # fmt: skip
    assert names.by_category == [
        "coverage.algebra", "success_rate.algebra", "coverage.level-5", "success_rate.level-5",
    ]  # fmt: skip
    assert names.fields("coverage.level-5") == {
        "answer": "last box", "verifier": "modular", "pass_at": "6", "category": "level-5",
    }  # fmt: skip
    assert names.fields("pass_at_2") == {"answer": "last box", "verifier": "modular", "pass_at": "2"}
    assert names.fields("success_rate") == {"answer": "last box", "verifier": "modular"}
    assert names.fields("self_bleu") is None
    prompt = PromptResponses(("3",) * 6, reference="3", categories=("level 5", "level 4"))
    scorer.judge_all([prompt])
    values = scorer.values(prompt)
    assert values["coverage.level-5"] == 1
    assert "coverage.algebra" not in values
    assert "coverage.level-4" not in values


def test_notes_say_what_was_found_and_why_not() -> None:
    scorer = CoverageScorer(Modular(), largest_k=1)
    prompt = PromptResponses(("3", "4", "?", ""), reference="3")
    scorer.judge_all([prompt])
    assert scorer.notes(prompt) == {
        "answers": ["3", "4", "?", None],
        "verdicts": ["right", "wrong", "unverifiable", "missing"],
        "unverifiable": [{"response": 2, "reason": "a question"}],
    }
    assert Unverified.of_rows([scorer.notes(prompt)]) == Unverified(4, missing=1, unverifiable=1)
