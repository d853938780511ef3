"""NoveltyBench's classifier and reward model inside lm-eval's own evaluator: real tasks, real models."""

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import yaml
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness import judge as judge_module
from diversity_eval.harness import novelty as module
from diversity_eval.judging.novelty.classifier import TransformersClassifier
from diversity_eval.judging.novelty.reward_transformers import TransformersReward
from diversity_eval.metrics.novelty import reward_to_score
from diversity_eval.metrics.signature import Signature
from tests.judging.faulty_judge import running
from tests.judging.novelty.faulty_reward import FaultyReward
from tests.judging.novelty.models import build_classifier, build_reward_model

TASKS = str(Path(__file__).parent / "tasks")
THRESHOLD = 0.5
THRESHOLDS = [-4.0, -2.0, -1.0, 0.0, 1.0, 2.0]


@pytest.fixture(scope="module")
def lm(checkpoint: Path) -> HFLM:
    return HFLM(pretrained=str(checkpoint), device="cpu", batch_size=16, dtype="float32")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("novelty")
    build_classifier(folder / "classifier")
    build_reward_model(folder / "reward")
    (folder / "classifier.yaml").write_text(
        yaml.safe_dump({"test": "classifier", "model": "classifier", "threshold": THRESHOLD})
    )
    (folder / "reward.yaml").write_text(
        yaml.safe_dump({"backend": "transformers", "model": "reward", "thresholds": THRESHOLDS})
    )
    return folder


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    module._metrics.clear()
    yield
    module._metrics.clear()


def evaluate(
    lm: Any, folder: Path, metadata: dict[str, Any], tasks: tuple[str, ...] = ("own_novelty",)
) -> Any:
    manager = TaskManager(
        include_path=TASKS, include_defaults=False, metadata={"embeddings": "none", **metadata}
    )
    return simple_evaluate(
        model=lm, tasks=list(tasks), task_manager=manager, bootstrap_iters=2,
        evaluation_tracker=EvaluationTracker(output_path=str(folder)),
    )  # fmt: skip


def test_distinct_and_utility_are_in_the_results(
    lm: HFLM, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"classifier": str(models / "classifier.yaml"), "reward": str(models / "reward.yaml")}
    results = evaluate(lm, tmp_path / "out", given)
    values = results["results"]["own_novelty"]
    rows = results["samples"]["own_novelty"]
    assert len(rows) == 5
    assert len({row["distinct"] for row in rows}) > 1
    assert "not scored on the same number" not in caplog.text
    for row in rows:  # the log alone gives every value again, by the formulas
        classes, scores, rewards = row["partition"], row["generation_scores"], row["rewards"]
        heads = [i for i, label in enumerate(classes) if label not in classes[:i]]
        assert row["distinct"] == len(set(classes)) == max(classes) + 1
        assert [i for i, score in enumerate(scores) if score is not None] == heads
        assert [scores[i] for i in heads] == [reward_to_score(rewards[i], THRESHOLDS) for i in heads]
        weights = [0.8**i for i in range(10)]
        worth = sum(weights[i] * scores[i] for i in heads) / sum(weights)
        assert row["utility"] == pytest.approx(worth, abs=1e-12)
    for name in ("distinct", "utility"):
        each = [row[name] for row in rows]
        assert values[f"{name},none"] == pytest.approx(statistics.fmean(each))
        assert values[f"{name}_std,none"] == pytest.approx(statistics.stdev(each))
        assert values[f"{name}_stderr,none"] == pytest.approx(statistics.stdev(each) / math.sqrt(5))
        places = [row[name] for row in rows if row["doc"]["category"] == "Places & Paths"]
        assert values[f"{name}.places-paths,none"] == pytest.approx(statistics.fmean(places))
        assert f"{name}.lamps,none" in values
        assert f"{name}.lamps_std,none" not in values
    for count in ("partition_unknown", "utility_unknown", "responses_empty"):
        assert values[f"{count},none"] == 0
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(models / "classifier" / "spm.model"))
    long = [text for row in rows for text in row["filtered_resps"][0] if len(pieces.encode(text)) > 128]
    assert values["responses_cut,none"] == len(long) > 0
    assert results["higher_is_better"]["own_novelty"]["distinct"] is True
    record = results["configs"]["own_novelty"]["metadata"]["diversity_eval"]
    assert record["novelty_bench"]["reward"]["scored"] == sum(len(set(row["partition"])) for row in rows)
    signature = Signature.parse(record["signatures"]["utility"]).as_dict()
    assert signature["classifier"] == "classifier"
    assert signature["threshold"] == str(THRESHOLD)
    assert signature["reward_revision"].startswith("local-")
    assert signature["metric_version"] == "1.0"
    assert "reward" not in Signature.parse(record["signatures"]["distinct"]).as_dict()
    by_category = Signature.parse(record["signatures"]["distinct.lamps"]).as_dict()
    assert by_category["category"] == "lamps"


def test_without_a_reward_model_utility_is_absent_and_said_to_be(
    lm: HFLM, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = evaluate(
        lm, tmp_path / "out", {"classifier": str(models / "classifier.yaml"), "reward": "none"}
    )
    values = results["results"]["own_novelty"]
    assert "distinct,none" in values
    assert not [name for name in values if name.startswith("utility")]
    assert "no reward model, so there is no Utility" in caplog.text
    assert "generation_scores" not in results["samples"]["own_novelty"][0]


def test_without_a_classifier_the_other_metrics_remain(
    lm: HFLM, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = evaluate(lm, tmp_path / "out", {"classifier": None})["results"]["own_novelty"]
    assert "self_bleu,none" in values
    assert not [name for name in values if name.startswith(("distinct,", "utility"))]
    assert "no Distinct and no Utility" in caplog.text


@pytest.mark.parametrize(("name", "suffix"), [("exact", "_exact"), ("rouge1", "_rouge1")])
def test_other_tests_have_their_own_names(lm: HFLM, tmp_path: Path, name: str, suffix: str) -> None:
    results = evaluate(lm, tmp_path / "out", {"classifier": name})
    values = results["results"]["own_novelty"]
    assert f"distinct{suffix},none" in values
    assert "distinct,none" not in values
    signatures = results["configs"]["own_novelty"]["metadata"]["diversity_eval"]["signatures"]
    assert f"|test:{name}|" in signatures[f"distinct{suffix}"]


def test_tasks_of_other_benchmarks_do_not_ask_for_it(lm: HFLM, models: Path, tmp_path: Path) -> None:
    given = {"classifier": str(models / "classifier.yaml")}
    results = evaluate(lm, tmp_path / "out", given, ("own_instruct", "own_novelty"))["results"]
    assert "distinct,none" in results["own_novelty"]
    assert "distinct,none" not in results["own_instruct"]


class _NoGeneration(HFLM):  # type: ignore[misc]
    def generate_until(self, *arguments: Any, **kwargs: Any) -> Any:
        pytest.fail("something was generated before the models were settled")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"classifier": "novelty-bench"}, "does not load"),
        ({}, "does not load"),
        ({"classifier": "novelty"}, "neither one of"),
        ({"classifier": "exact", "reward": "skywork-27b"}, "does not load"),
        ({"classifier": "none", "reward": "skywork-27b"}, "nothing to score"),
        ({"classifier": "v1.1", "reward": "skywork-27b"}, "metric version 1.1"),
        ({"classifier": "exact", "reward": "skywork-27b-server", "reward_set": "base_url=http://127.0.0.1:9"},
         "out of reach"),
        ({"reward_set": "batch_size=3"}, "reward_set is given without"),
        ({"classifier": "exact", "classifier_set": "threshold=2"}, "means nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_said_before_anything_is_generated(
    checkpoint: Path, tmp_path: Path, given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lm = _NoGeneration(pretrained=str(checkpoint), device="cpu", batch_size=16, dtype="float32")
    with pytest.raises(DiversityEvalError, match=said) as caught:
        evaluate(lm, tmp_path / "out", given)
    assert "\n" not in str(caught.value)
    if said == "does not load":
        assert "diversity-eval score LOGS --benchmark novelty_bench" in str(caught.value)


def test_several_ranks_are_refused(checkpoint: Path, models: Path, tmp_path: Path) -> None:
    lm = _NoGeneration(pretrained=str(checkpoint), device="cpu", batch_size=16, dtype="float32")
    lm._world_size = 2
    with pytest.raises(DiversityEvalError, match="several ranks"):
        evaluate(lm, tmp_path / "out", {"classifier": str(models / "classifier.yaml")})


def test_a_classifier_that_fails_for_good_loses_nothing(
    lm: HFLM, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After generation, a fault of the device: the responses and the other metrics are kept."""
    forward = TransformersClassifier._forward
    calls = 0

    def breaks(self: TransformersClassifier, rows: Any) -> list[float]:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise RuntimeError("the card fell out")
        return forward(self, rows)

    monkeypatch.setattr(TransformersClassifier, "_forward", breaks)
    failing: list[str] = []
    monkeypatch.setattr(module, "fail_at_the_end", failing.append)
    given = {"classifier": str(models / "classifier.yaml"), "classifier_set": "batch_size=4"}
    results = evaluate(lm, tmp_path / "out", given)
    values = results["results"]["own_novelty"]
    assert math.isnan(values["distinct,none"])
    assert values["partition_unknown,none"] == 5
    assert values["unique_fraction,none"] > 0
    assert "the card fell out" in caplog.text
    assert "5 of 5 prompts have no distinct" in failing[0]
    row = results["samples"]["own_novelty"][0]
    assert -1 in row["partition"]
    assert "the card fell out" in row["novelty_unknown"][0]

    monkeypatch.setattr(TransformersClassifier, "_forward", forward)  # the next run goes on from there
    module._metrics.clear()
    again = evaluate(lm, tmp_path / "out", given)
    record = again["configs"]["own_novelty"]["metadata"]["diversity_eval"]["novelty_bench"]["classifier"]
    assert record["from_store"] == 8
    assert again["results"]["own_novelty"]["partition_unknown,none"] == 0


def test_a_reward_that_fails_leaves_distinct_alone(
    lm: HFLM, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TransformersReward, "_forward", lambda self, rows: [math.nan] * len(rows))
    failing: list[str] = []
    monkeypatch.setattr(module, "fail_at_the_end", failing.append)
    given = {"classifier": "exact", "reward": str(models / "reward.yaml")}
    values = evaluate(lm, tmp_path / "out", given)["results"]["own_novelty"]
    assert values["distinct_exact,none"] > 1
    assert values["utility_unknown,none"] == 5
    assert math.isnan(values["utility_exact,none"])
    assert "have no utility_exact" in failing[0]


def test_secrets_of_the_options_are_in_no_result(lm: HFLM, models: Path, tmp_path: Path) -> None:
    with running(FaultyReward()) as server:
        address = server.url.replace("http://", "http://user:s3cretpw@")
        given = {
            "classifier": str(models / "classifier.yaml"), "classifier_set": {"batch_size": 8},
            "novelty_store": str(tmp_path / "kept.sqlite"), "reward": "skywork-27b-server",
            "reward_set": {"base_url": address, "request": {"token": "s3crettoken"}},
        }  # fmt: skip
        results = evaluate(lm, tmp_path / "out", given)
    written = json.dumps({key: value for key, value in results.items() if key != "samples"}, default=str)
    assert "batch_size" in written
    assert "base_url" in written
    assert "s3cret" not in written
    assert "s3cret" not in json.dumps(results["samples"], default=str)
    assert (tmp_path / "kept.sqlite").exists()
    assert b"s3cret" not in (tmp_path / "kept.sqlite").read_bytes()
    assert not (tmp_path / "out" / "novelty.sqlite").exists()


def test_an_interrupt_after_generation_keeps_the_responses(
    lm: HFLM, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: TransformersClassifier, rows: Any) -> list[float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(TransformersClassifier, "_forward", stopped)
    failing: list[str] = []
    monkeypatch.setattr(module, "fail_at_the_end", failing.append)
    results = evaluate(lm, tmp_path / "out", {"classifier": str(models / "classifier.yaml")})
    assert len(results["samples"]["own_novelty"][0]["filtered_resps"][0]) == 10
    assert "interrupted" in failing[0]


def test_the_end_of_the_command_is_only_touched_in_the_command() -> None:
    judge_module.fail_at_the_end("not in the command")
    assert judge_module._failing == []
