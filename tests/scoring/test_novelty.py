"""Distinct and Utility from what a metric says, with a metric made of hand-written results."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from diversity_eval.judging.novelty.items import Answer, NoveltyResult
from diversity_eval.metrics.signature import Signature
from diversity_eval.scoring.aggregate import aggregate
from diversity_eval.scoring.family import PromptResponses, category_slug, odd_categories
from diversity_eval.scoring.novelty import NoveltyNames, NoveltyScorer
from diversity_eval.scoring.prompt_scorer import PromptScorer


class WrittenMetric:
    """Says of each prompt what is written for it; the classifier names itself once it was asked."""

    version = "1.0"

    def __init__(self, results: dict[str, NoveltyResult], *, scores: bool = True, suffix: str = "") -> None:
        self.results = results
        self.scores_responses = scores
        self.suffix = suffix
        self.asked: list[list[str]] = []
        self.fails: BaseException | None = None

    def open(self) -> None: ...

    def close(self) -> None: ...

    def judge(self, prompts: Sequence[Sequence[Answer]]) -> list[NoveltyResult]:
        self.asked.append([answers[0].prompt for answers in prompts])
        if self.fails is not None:
            raise self.fails
        return [self.results[answers[0].prompt] for answers in prompts]

    def kept(self, prompts: Sequence[Sequence[Answer]], reason: str) -> list[NoveltyResult]:
        return [NoveltyResult((0, *(-1,) * (len(a) - 1)), reasons=(reason,)) for a in prompts]

    def partition_fields(self) -> dict[str, str]:
        return {"test": "written", "asked": str(len(self.asked))}

    def score_fields(self) -> dict[str, str]:
        return {"reward": "r"} if self.scores_responses else {}

    def record(self) -> dict[str, Any]:
        return {}


def prompt(name: str, k: int = 3, category: str = "") -> PromptResponses:
    return PromptResponses(
        tuple(f"{name} says {i} and a few more words" for i in range(k)),
        name,
        "instruction",
        (category,) if category else (),
    )


KNOWN = NoveltyResult((0, 1, 0), (5, 3, None), (-5.2, -6.1, None), (False, True, False))
UNKNOWN = NoveltyResult((0, -1, -1), (None,) * 3, (None,) * 3, (False,) * 3, ("the card fell out",))
NO_REWARD = NoveltyResult((0, 1, 2), (4, None, 2), (1.0, None, 1.0), (False,) * 3, ("not a finite number",))


def test_values_by_hand() -> None:
    scorer = NoveltyScorer(WrittenMetric({"a": KNOWN}))
    scorer.judge_all([prompt("a")])
    values = scorer.values(prompt("a"))
    assert values == {
        "distinct": 2.0,
        # (5 + 0.8 * 3) / (1 + 0.8 + 0.64)
        "utility": pytest.approx(7.4 / 2.44, abs=1e-15),
        "partition_unknown": 0.0,
        "utility_unknown": 0.0,
        "responses_cut": 1.0,
        "responses_empty": 0.0,
    }
    assert scorer.notes(prompt("a")) == {
        "partition": [0, 1, 0], "generation_scores": [5, 3, None], "rewards": [-5.2, -6.1, None],
    }  # fmt: skip


def test_what_is_not_known_is_nan_and_counted_apart() -> None:
    scorer = NoveltyScorer(WrittenMetric({"a": UNKNOWN, "b": NO_REWARD, "c": KNOWN}))
    prompts = [prompt(name) for name in "abc"]
    scorer.judge_all(prompts)
    a, b, _ = (scorer.values(p) for p in prompts)
    assert math.isnan(a["distinct"])
    assert math.isnan(a["utility"])
    assert (a["partition_unknown"], a["utility_unknown"]) == (1.0, 1.0)
    assert b["distinct"] == 3.0
    assert math.isnan(b["utility"])
    assert (b["partition_unknown"], b["utility_unknown"]) == (0.0, 1.0)
    assert scorer.unknown(prompts) == {"distinct": 1, "utility": 2}
    assert scorer.unknown([*prompts, prompts[0]]) == {"distinct": 2, "utility": 3}  # each counts
    assert scorer.reasons() == ["the card fell out", "not a finite number"]
    assert scorer.notes(prompts[0])["novelty_unknown"] == ["the card fell out"]


def test_empty_responses_are_counted() -> None:
    given = PromptResponses(("", " \n", "something that is said"), "a")
    scorer = NoveltyScorer(WrittenMetric({"a": KNOWN}))
    scorer.judge_all([given])
    assert scorer.values(given)["responses_empty"] == 2.0


def test_a_single_response_has_no_distinct_and_is_not_asked_about() -> None:
    metric = WrittenMetric({"a": KNOWN})
    scorer = NoveltyScorer(metric)
    scorer.judge_all([prompt("a"), prompt("alone", 1)])
    assert metric.asked == [["a"]]
    assert math.isnan(scorer.values(prompt("alone", 1))["distinct"])
    assert scorer.notes(prompt("alone", 1))["novelty_unknown"] == ["fewer than two responses"]


def test_equal_prompts_are_judged_once() -> None:
    metric = WrittenMetric({"a": KNOWN, "b": KNOWN})
    scorer = NoveltyScorer(metric)
    scorer.judge_all([prompt("a"), prompt("a"), prompt("b")])
    scorer.judge_all([prompt("a")])
    assert metric.asked == [["a", "b"]]


def test_without_scores_there_is_no_utility() -> None:
    result = NoveltyResult((0, 1, 1), cut=(False,) * 3)
    scorer = NoveltyScorer(WrittenMetric({"a": result}, scores=False, suffix="_exact"))
    scorer.judge_all([prompt("a")])
    assert scorer.values(prompt("a"))["distinct_exact"] == 2.0
    assert not [name for name in scorer.values(prompt("a")) if "utility" in name]
    assert scorer.names.main == ["distinct_exact"]


def test_an_error_is_the_callers_unless_somebody_takes_it() -> None:
    metric = WrittenMetric({})
    metric.fails = RuntimeError("gone")
    with pytest.raises(RuntimeError, match="gone"):
        NoveltyScorer(metric).judge_all([prompt("a")])
    scorer = NoveltyScorer(metric, on_error=lambda error: f"because: {error}")
    scorer.judge_all([prompt("a")])
    assert scorer.reasons() == ["because: gone"]


@pytest.mark.parametrize(
    ("category", "slug"),
    [
        ("Factual Knowledge", "factual-knowledge"),
        ("Subjective Rankings & Opinions", "subjective-rankings-opinions"),
        ("  ", ""),
        ("Ünder-Water!", "nder-water"),
        ("日本語", ""),
        ("std", "std"),
    ],
)
def test_slugs(category: str, slug: str) -> None:
    assert category_slug(category) == slug


def test_a_category_whose_name_ends_like_another_keeps_its_own_fields() -> None:
    names = NoveltyNames(
        "", True, ("b", "a-b", "1", "std", "stderr", "exact"), {"test": "t"}, {"reward": "r"}
    )
    for category in names.categories:
        for name in ("distinct", "utility"):
            fields = names.fields(f"{name}.{category}")
            assert fields is not None
            assert fields["category"] == category
            assert ("reward" in fields) == (name == "utility")
    assert names.fields("distinct_1") is None


def test_results_of_a_task_with_categories() -> None:
    results = {"a": KNOWN, "b": NO_REWARD, "c": UNKNOWN, "d": KNOWN}
    prompts = [prompt("a", category="X"), prompt("b", category="X"), prompt("c", category="Y"), prompt("d")]
    scorer = PromptScorer(families=[NoveltyScorer(WrittenMetric(results), categories=["X", "Y", "X"])])
    scorer.score_all(prompts)
    rows = [scorer.score(p) for p in prompts]
    found = aggregate(rows, scorer.reported)
    assert found["distinct,none"] == pytest.approx((2 + 3 + 2) / 3)  # the unknown one is left out, not 0
    assert found["distinct.x,none"] == 2.5
    assert found["distinct.x_stderr,none"] == pytest.approx(0.5)
    assert math.isnan(float(found["distinct.y,none"]))
    assert found["utility.x,none"] == pytest.approx(7.4 / 2.44)
    assert found["utility.x_stderr,none"] == "N/A"
    assert found["partition_unknown,none"] == 1
    assert found["utility_unknown,none"] == 2
    assert found["responses_cut,none"] == 2
    assert found["undefined,none"] == 2
    assert "distinct_std,none" in found
    assert "distinct.x_std,none" not in found
    assert scorer.reported.directions["distinct"] is True
    assert scorer.reported.directions["utility.y"] is True
    signatures = {k: Signature.parse(v) for k, v in scorer.reported.signatures({"k": "3"}).items()}
    assert signatures["distinct"].as_dict()["asked"] == "1"  # what opening told, not what was known before
    assert signatures["utility.x"].as_dict()["category"] == "x"
    assert "test" not in signatures["distinct_1"].as_dict()


@pytest.mark.parametrize("category", ["1", "2", "std", "stderr", "exact", "unknown", "Factual Knowledge"])
def test_no_category_can_take_another_metrics_name(category: str) -> None:
    """With an underline, `distinct_1` of the category 1 would be Distinct-1, of `std` a deviation."""
    given = [prompt("a", category=category), prompt("b", category=category)]
    plain = PromptScorer(families=[NoveltyScorer(WrittenMetric({"a": KNOWN, "b": NO_REWARD}))])
    scorer = PromptScorer(
        families=[NoveltyScorer(WrittenMetric({"a": KNOWN, "b": NO_REWARD}), categories=[category])]
    )
    results = []
    for s in (plain, scorer):
        s.score_all(given)
        results.append(aggregate([s.score(p) for p in given], s.reported))
    without, with_ = results
    assert {name: with_[name] for name in without} == without
    assert len(scorer.reported.means) == len(set(scorer.reported.means))
    assert with_[f"distinct.{category_slug(category)},none"] == without["distinct,none"]


def test_categories_that_cannot_be_told_apart_are_said() -> None:
    assert odd_categories(["A", "B b"]) == []
    merged, nameless = odd_categories(["A b", "a-B", "日本語", "C"])
    assert "'A b', 'a-B' count as one (a-b)" in merged
    assert "'日本語'" in nameless


def test_an_interrupt_keeps_what_is_there_only_where_it_is_asked_for() -> None:
    metric = WrittenMetric({})
    metric.fails = KeyboardInterrupt()
    scorer = NoveltyScorer(metric, on_error=lambda error: "interrupted")
    with pytest.raises(KeyboardInterrupt):
        scorer.judge_all([prompt("a")])
    kept = NoveltyScorer(metric, on_error=lambda error: "interrupted", keep_on_interrupt=True)
    kept.judge_all([prompt("a")])
    assert kept.reasons() == ["interrupted"]
