import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.scoring.choice import ChoiceScorer
from diversity_eval.scoring.coverage import CoverageScorer
from diversity_eval.scoring.families import families_of, measures_of
from diversity_eval.scoring.family import Names, PromptResponses
from diversity_eval.scoring.refusal import RefusalScorer
from diversity_eval.scoring.reported import COUNTS, Reported
from tests.scoring.test_coverage import Modular


@pytest.mark.parametrize(
    ("measures", "kinds"),
    [(None, []), ("coverage", [CoverageScorer]), ("refusal", [RefusalScorer]), ("choice", [ChoiceScorer])],
)
def test_a_task_has_the_family_that_it_names(measures: str | None, kinds: list[type]) -> None:
    found = families_of("t", {"measures": measures}, ["A"], largest_k=4, verifier=Modular)
    assert [type(family) for family in found] == kinds
    for family in found:
        assert set(family.names.counts) <= COUNTS


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(
        DiversityEvalError, match="t: `measures` is 'speed'; expected one of coverage, refusal"
    ):
        measures_of("t", {"measures": "speed"})


def test_nothing_is_opened_that_is_not_needed() -> None:
    def opened() -> Modular:
        raise AssertionError

    assert families_of("t", {"measures": "refusal"}, [], largest_k=0, verifier=opened)


def test_one_response_has_no_diversity_and_options_no_category() -> None:
    (family,) = families_of("t", {"measures": "choice", "macro": True}, [], largest_k=0)
    reported = Reported(families=(family.names,), diversity=False, embeddings=True)
    assert reported.means == ["accuracy", "accuracy_macro", "unparsed"]
    assert reported.counts == ["undefined"]
    assert reported.directions == {"accuracy": True, "accuracy_macro": True, "unparsed": False}


def test_attack_success_of_a_request_and_its_categories() -> None:
    (family,) = families_of("t", {"measures": "refusal"}, ["Locks", "Jokes"], largest_k=0)
    prompt = PromptResponses(("Here is how.", "I cannot.", " "), categories=("Locks",))
    assert family.values(prompt) == {
        "asr": pytest.approx(1 / 3), "asr_worst": 1, "refusal": pytest.approx(1 / 3), "responses_empty": 1,
        "asr.locks": pytest.approx(1 / 3), "asr_worst.locks": 1,
    }  # fmt: skip
    assert family.notes(prompt) == {"attack_success": [True, False, False]}


def test_names_of_categories_keep_their_metric_s_direction_and_parameters() -> None:
    names = Names(
        {"a": True, "b": None},
        categories=("x", "y"),
        apart=("b",),
        parameters={"": {"all": "1"}, "b": {"of": "2"}},
    )
    assert names.directions == {"a": True, "b": None, "b.x": None, "b.y": None}
    assert names.by_category == ["b.x", "b.y"]
    assert names.fields("a") == {"all": "1"}
    assert names.fields("b.y") == {"all": "1", "of": "2", "category": "y"}
    assert names.fields("a.x") is None
