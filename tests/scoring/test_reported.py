import pytest

from diversity_eval.metrics.prompt_metrics import HIGHER_IS_BETTER
from diversity_eval.metrics.signature import Signature, metric_fields
from diversity_eval.scoring.reported import COUNTS, UNDEFINED, Reported

DIVERSITY = [name for name in HIGHER_IS_BETTER if name != "vendi_score"]
GENERATES = {"judge": "org/judge", "judge_mode": "generate", "judge_max_tokens": "32", "rubric": "story@0e9f"}
RATES = {"judge": "org/judge", "judge_mode": "rate", "rubric": "story@0e9f"}
RUN = {"task": "short_stories@1", "k": "10", "temperature": "1.0", "version": "0.1"}


@pytest.mark.parametrize(
    ("reported", "means", "counts"),
    [
        (Reported(), DIVERSITY, ["undefined"]),
        (Reported(embeddings=True), [*DIVERSITY, "vendi_score"], ["undefined"]),
        (Reported(judge=GENERATES), [*DIVERSITY, "quality"], ["undefined", "quality_unscored"]),
        (
            Reported(judge=RATES),
            [*DIVERSITY, "quality", "quality_expected", "quality_entropy"],
            ["undefined", "quality_unscored"],
        ),
        (
            Reported(embeddings=True, judge=RATES),
            [*DIVERSITY, "vendi_score", "quality", "quality_expected", "quality_entropy"],
            ["undefined", "quality_unscored"],
        ),
    ],
)
def test_what_is_reported(reported: Reported, means: list[str], counts: list[str]) -> None:
    assert reported.means == means
    assert reported.counts == counts
    assert not set(means) & COUNTS
    assert set(counts) <= COUNTS


def test_only_a_rating_judge_gives_a_distribution() -> None:
    assert not Reported().distribution
    assert not Reported(judge=GENERATES).distribution
    assert Reported(judge=RATES).distribution


def test_directions_are_those_of_the_metrics_and_none_for_what_has_none() -> None:
    directions = Reported(embeddings=True, judge=RATES).directions
    assert directions["quality"] is True
    assert directions["quality_expected"] is True
    assert directions["self_bleu"] is False
    assert directions["vendi_score"] is True
    assert not {"quality_entropy", "mean_words", UNDEFINED, "quality_unscored"} & set(directions)
    assert "quality" not in Reported().directions
    assert "vendi_score" not in Reported().directions


def test_every_mean_has_a_signature_with_the_run_s_fields_and_its_own() -> None:
    reported = Reported(embeddings=True, judge=RATES)
    signatures = reported.signatures(RUN)
    assert list(signatures) == reported.means
    for name, text in signatures.items():
        parsed = Signature.parse(text)
        assert parsed.metric == name
        own = RATES if name.startswith("quality") else metric_fields(name)
        assert parsed.as_dict() == {**RUN, **own}


def test_the_judge_is_in_the_signature_of_quality_alone() -> None:
    one, other = (
        Reported(judge=RATES).signatures(RUN),
        Reported(judge={**RATES, "rubric": "story@1a2b"}).signatures(RUN),
    )
    assert {name for name in one if one[name] != other[name]} == {
        "quality",
        "quality_expected",
        "quality_entropy",
    }
    assert "judge" not in one["self_bleu"]
    assert "tokenizer" not in one["quality"]
    assert Reported(judge=GENERATES).signatures(RUN)["quality"] != one["quality"]
    without = Reported().signatures(RUN)
    assert without == {name: text for name, text in one.items() if not name.startswith("quality")}
