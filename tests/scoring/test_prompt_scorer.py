import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lm_eval.api.metrics import mean

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.scoring import aggregations
from diversity_eval.judging.config import load_judge
from diversity_eval.judging.rater import Rater
from diversity_eval.judging.store import VerdictStore
from diversity_eval.metrics.prompt_metrics import diversity_metrics
from diversity_eval.metrics.statistics import standard_deviation
from diversity_eval.scoring.family import PromptResponses
from diversity_eval.scoring.prompt_scorer import PromptMetrics, PromptScorer
from tests.scoring.fake_judge import MarkedJudge, write_judge


def of(*responses: str, prompt: str = "", kind: str = "instruction") -> PromptResponses:
    return PromptResponses(responses, prompt, kind)


RaterFor = Callable[..., Rater]


@pytest.fixture
def rater_for(tmp_path: Path) -> RaterFor:
    def build(mode: str = "generate", judge: MarkedJudge | None = None) -> Rater:
        config = load_judge(str(write_judge(tmp_path, mode)))
        used = judge if judge is not None else MarkedJudge(config)
        return Rater(
            config, VerdictStore(tmp_path / "verdicts.sqlite"), open_with=lambda config: used, progress=False
        )

    return build


# What lm-eval gets


def test_the_log_gets_each_value_once_and_the_accumulators_the_spread_too() -> None:
    metrics = PromptMetrics({"self_bleu": 3.0, "undefined": 0.0})
    logged: dict[str, float] = {}
    logged.update(metrics)  # as lm-eval writes its sample log
    assert logged == {"self_bleu": 3.0, "undefined": 0.0}
    assert list(metrics.items()) == [("self_bleu", 3.0), ("undefined", 0.0), ("self_bleu_std", 3.0)]
    assert list(metrics.keys()) == ["self_bleu", "undefined"]
    assert len(metrics.items()) == 3


def test_notes_are_logged_but_are_no_metrics() -> None:
    metrics = PromptMetrics(
        {"quality": 4.0, "quality_unscored": 1.0, "undefined": 0.0}, {"ratings": [4, None], "unscored": []}
    )
    logged: dict[str, Any] = {"doc_id": 0, "metrics": list(metrics.keys())}
    logged.update(metrics)
    assert logged == {
        "doc_id": 0,
        "metrics": ["quality", "quality_unscored", "undefined"],
        "quality": 4.0,
        "quality_unscored": 1.0,
        "undefined": 0.0,
        "ratings": [4, None],
        "unscored": [],
    }
    assert dict(metrics.items()) == {
        "quality": 4.0,
        "quality_unscored": 1.0,
        "undefined": 0.0,
        "quality_std": 4.0,
    }
    assert metrics["ratings"] == [4, None]


def test_a_whole_evaluation_as_lm_eval_does_it(rater_for: RaterFor) -> None:
    scorer = PromptScorer(rater=rater_for())
    prompts = [of("mark-5 a", "mark-1 b"), of("mark-4 a", "mark-x b"), of("mark-x a", "mark-f b")]
    scorer.score_all(prompts)
    collected: dict[str, list[float]] = {}
    log = []
    for prompt in prompts:
        metrics = scorer.score(prompt)
        example: dict[str, Any] = {"metrics": list(metrics.keys())}
        example.update(metrics)
        log.append(json.loads(json.dumps(example)))
        for name, value in metrics.items():
            collected.setdefault(name, []).append(value)
    functions = aggregations(scorer.reported)
    results = {name: functions[name](values) for name, values in collected.items()}
    # Means over responses, then over the prompts that have one: (3 + 4) / 2, and not (3 + 4 + 0) / 3.
    assert collected["quality"] == [3.0, 4.0]
    assert results["quality"] == 3.5
    assert results["quality_std"] == pytest.approx(math.sqrt(0.5))
    assert results["quality_unscored"] == 3.0
    assert results["undefined"] == 1.0
    assert [row["ratings"] for row in log] == [[5, 1], [4, None], [None, None]]
    assert "quality" not in log[2]
    assert "quality" not in log[2]["metrics"]
    assert {name for row in log for name in row["metrics"]} == {
        *scorer.reported.means,
        *scorer.reported.counts,
    }


@pytest.mark.parametrize("embeddings", [True, False])
@pytest.mark.parametrize("mode", [None, "generate", "rate"])
def test_every_reported_name_has_an_aggregation_and_lm_eval_knows_its_error(
    rater_for: RaterFor, mode: str | None, embeddings: bool
) -> None:
    scorer = PromptScorer(
        (lambda texts: np.eye(len(texts))) if embeddings else None, rater_for(mode) if mode else None
    )
    scored = scorer.score(of("mark-1 b", "mark-2 d"))
    functions = aggregations(scorer.reported)
    assert {name for name, _ in scored.items()} == set(functions)
    assert set(scored.keys()) == {*scorer.reported.means, *scorer.reported.counts}
    assert all(functions[name] is mean for name in scorer.reported.means)
    assert all(functions[f"{name}_std"] is standard_deviation for name in scorer.reported.means)
    assert all(functions[name] is sum for name in scorer.reported.counts)
    assert set(scorer.reported.directions) <= set(functions)


# Diversity


def test_values_are_those_of_the_metrics() -> None:
    responses = ("a b c", "a b d", "")
    scored = PromptScorer().score(of(*responses))
    expected = diversity_metrics(responses)
    assert dict(scored) == {**expected, "undefined": 0.0}


def test_a_value_that_does_not_exist_is_left_out_if_another_prompt_has_one() -> None:
    scorer = PromptScorer()
    words, pairs = of("a", "b"), of("a b", "b c")
    scorer.score_all([words, pairs])
    assert "distinct_2" not in scorer.score(words)
    assert scorer.score(words)["undefined"] == 1
    assert scorer.score(pairs)["distinct_2"] == 1.0
    assert scorer.score(pairs)["undefined"] == 0


def test_a_value_that_exists_for_no_prompt_keeps_its_name() -> None:
    scorer = PromptScorer()
    scorer.score_all([of("a", "b"), of("c", "d")])
    assert math.isnan(scorer.score(of("a", "b"))["distinct_2"])


def test_texts_are_embedded_once() -> None:
    seen: list[str] = []

    def embed(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.eye(len(texts))

    scorer = PromptScorer(embed)
    scorer.score_all([of("a", "b"), of("b", "c"), of("a", "b"), of("a", "b", prompt="another")])
    assert sorted(seen) == ["a", "b", "c"]
    assert scorer.score(of("a", "b"))["vendi_score"] == pytest.approx(2.0)
    assert len(seen) == 3


def test_nothing_is_embedded_for_no_prompts() -> None:
    def embed(texts: list[str]) -> np.ndarray:
        raise AssertionError

    PromptScorer(embed).score_all([])


def test_a_single_response_has_quality_but_no_diversity(rater_for: RaterFor) -> None:
    scored = PromptScorer(rater=rater_for()).score(of("mark-3"))
    assert scored["quality"] == 3.0
    assert math.isnan(scored["self_bleu"])
    assert scored["undefined"] == 1


# Quality


def test_without_a_judge_there_is_no_quality() -> None:
    scorer = PromptScorer()
    scored = scorer.score(of("mark-5 a", "mark-4 b"))
    assert not {name for name in scored if "quality" in name or "rating" in name or name == "unscored"}
    assert (scorer.rated, scorer.unscored) == (0, 0)
    assert scorer.reported.judge is None


def test_unscored_responses_are_counted_and_shown_never_zero(rater_for: RaterFor) -> None:
    scorer = PromptScorer(rater=rater_for())
    scorer.score_all([of("mark-5 a", "mark-x b", "mark-f c", "mark-0 d"), of("mark-x a", "mark-x b")])
    scored = scorer.score(of("mark-5 a", "mark-x b", "mark-f c", "mark-0 d"))
    assert scored["quality"] == 2.5
    assert scored["quality_unscored"] == 2
    assert scored["ratings"] == [5, None, None, 0]
    assert [(note["response"], note["reply"]) for note in scored["unscored"]] == [
        (1, "I would rather not."),
        (2, ""),
    ]
    assert scored["unscored"][1]["reason"] == "the server is down"
    assert "expected_ratings" not in scored
    none = scorer.score(of("mark-x a", "mark-x b"))
    assert "quality" not in none
    assert (none["quality_unscored"], none["undefined"]) == (2, 1)
    assert (scorer.rated, scorer.unscored) == (6, 4)


def test_where_no_response_at_all_is_rated_quality_is_nan(rater_for: RaterFor) -> None:
    scored = PromptScorer(rater=rater_for()).score(of("mark-x a", "mark-x b"))
    assert math.isnan(scored["quality"])
    assert scored["quality_unscored"] == 2


def test_a_distribution_gives_the_expected_rating_and_the_entropy(rater_for: RaterFor) -> None:
    scored = PromptScorer(rater=rater_for("rate")).score(of("mark-5 a", "mark-1 b", "mark-x c"))
    # Half of the mass on the rating, a tenth on each of the others: 2.5 + 1.0 and 0.5 + 1.4.
    assert scored["expected_ratings"] == [pytest.approx(3.5), pytest.approx(1.9), None]
    assert scored["quality"] == 3.0
    assert scored["quality_expected"] == pytest.approx(2.7)
    assert scored["quality_entropy"] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(10))
    assert scored["quality_unscored"] == 1


def test_ratings_stay_with_their_responses_and_prompts(rater_for: RaterFor) -> None:
    scorer = PromptScorer(rater=rater_for())
    prompts = [of(*(f"mark-{(p + r) % 6} {p}" for r in range(4)), prompt=f"P{p}") for p in range(5)]
    scorer.score_all(prompts)
    for number, prompt in enumerate(prompts):
        assert scorer.score(prompt)["ratings"] == [(number + r) % 6 for r in range(4)]


def test_the_judge_gets_all_prompts_at_once_and_equal_ones_once(rater_for: RaterFor) -> None:
    class Counts(MarkedJudge):
        calls = 0

        def judge(self, *arguments: Any) -> None:
            self.calls += 1
            super().judge(*arguments)

    judge = Counts()
    scorer = PromptScorer(rater=rater_for(judge=judge))
    first, second = of("mark-1", "mark-2", "mark-1", prompt="P"), of("mark-1", "mark-3", prompt="Q")
    scorer.score_all([first, second, first])
    scorer.score(first)
    scorer.score(second)
    scorer.score_all([first])
    assert judge.calls == 1
    assert len(judge.prompts) == 4
    assert scorer.score(first)["ratings"] == [1, 2, 1]
    assert scorer.rated == 5


def test_a_prompt_that_was_not_announced_is_scored_when_it_is_asked_for(rater_for: RaterFor) -> None:
    judge = MarkedJudge()
    scorer = PromptScorer(rater=rater_for(judge=judge))
    assert scorer.score(of("mark-1", "mark-2"))["quality"] == 1.5
    assert scorer.score(of("mark-1", "mark-2"))["quality"] == 1.5
    assert len(judge.prompts) == 2


def test_prompt_and_kind_reach_the_rubric(rater_for: RaterFor) -> None:
    judge = MarkedJudge()
    scorer = PromptScorer(rater=rater_for(judge=judge), kind="story")
    scorer.score_all(
        [of("mark-1", "mark-2", prompt="Once upon a time", kind="story"), of("mark-3", "mark-4")]
    )
    assert sum("<opening>\nOnce upon a time\n</opening>" in prompt for prompt in judge.prompts) == 2
    assert sum("<instruction>" in prompt for prompt in judge.prompts) == 2
    assert scorer.reported.judge is not None
    assert scorer.reported.judge["rubric"].startswith("story@")


def test_the_same_responses_to_another_prompt_are_another_matter(rater_for: RaterFor) -> None:
    judge = MarkedJudge()
    scorer = PromptScorer(rater=rater_for(judge=judge))
    scorer.score_all([of("mark-1", "mark-2", prompt="P"), of("mark-1", "mark-2", prompt="Q")])
    assert len(judge.prompts) == 4


def test_the_signature_of_quality_names_the_judge(rater_for: RaterFor) -> None:
    rater = rater_for("rate")
    signatures = PromptScorer(rater=rater, kind="story").reported.signatures({"k": "10"})
    fields = rater.config.signature_fields("story")
    for name in ("quality", "quality_expected", "quality_entropy"):
        assert "|judge_mode:rate|" in signatures[name]
        assert all(f"{key}:" in signatures[name] for key in (*fields, "k"))
    assert "judge" not in signatures["self_bleu"]


def test_answers_without_a_rating_are_asked_for_again_only_if_told_to(rater_for: RaterFor) -> None:
    prompt = of("mark-1 a", "mark-x b")
    assert PromptScorer(rater=rater_for()).score(prompt)["quality_unscored"] == 1

    class Obliging(MarkedJudge):
        def verdict(self, mark: str) -> Any:
            return super().verdict("5" if mark == "x" else mark)

    again = Obliging()
    assert PromptScorer(rater=rater_for(judge=again)).score(prompt)["quality_unscored"] == 1
    assert again.prompts == []
    retried = PromptScorer(rater=rater_for(judge=again), retry_unscored=True).score(prompt)
    assert retried["ratings"] == [1, 5]
    assert len(again.prompts) == 1


def test_a_kind_without_a_rubric_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    path = write_judge(tmp_path)
    path.write_text(path.read_text() + "rubric: {story: story}\n")
    config = load_judge(str(path))
    with VerdictStore(tmp_path / "v.sqlite") as store, pytest.raises(DiversityEvalError, match="no rubric"):
        PromptScorer(rater=Rater(config, store, progress=False), kind="instruction")
