"""A judge inside lm-eval's own evaluator: real tasks, real models; a fake only where a fault is injected."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness import judge as module
from diversity_eval.judging import rater as rater_module
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict
from diversity_eval.metrics.signature import Signature

TASKS = str(Path(__file__).parent / "tasks")


class FakeBackend:
    """Rates by the length of the prompt; leaves out every `hole`-th."""

    def __init__(self, hole: int = 0) -> None:
        self.hole = hole
        self.calls: list[list[str]] = []

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        self.calls.append(list(prompts))
        for index, prompt in enumerate(prompts):
            unscored = self.hole and index % self.hole == 0
            on_verdict(
                index, Verdict(None, "no", "it said no") if unscored else Verdict(len(prompt) % 6, "ok")
            )

    def signature_fields(self) -> dict[str, str]:
        return {}

    def record(self) -> dict[str, Any]:
        return {"fake": True}

    def close(self) -> None:
        pass


@pytest.fixture
def judge_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"backend": "transformers", "model": "none/such", "mode": "generate"}))
    return path


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    module._raters.clear()
    yield
    module._raters.clear()


def evaluate(lm: Any, folder: Path, metadata: dict[str, Any], **kwargs: Any) -> Any:
    manager = TaskManager(
        include_path=TASKS, include_defaults=False, metadata={"embeddings": "none", **metadata}
    )
    return simple_evaluate(
        model=lm, tasks=["own_instruct"], task_manager=manager, limit=3, bootstrap_iters=0,
        evaluation_tracker=EvaluationTracker(output_path=str(folder)), **kwargs,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lm(checkpoint: Path) -> HFLM:
    return HFLM(pretrained=str(checkpoint), device="cpu", batch_size=16, dtype="float32")


def test_quality_is_in_the_results_and_the_judge_gets_the_whole_task_at_once(
    lm: HFLM, tmp_path: Path, judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeBackend()
    monkeypatch.setattr(rater_module, "open_backend", lambda config: fake)
    results = evaluate(lm, tmp_path / "out", {"judge": str(judge_file)})
    (asked,) = fake.calls
    values = results["results"]["own_instruct"]
    samples = results["samples"]["own_instruct"]
    assert len(samples) == 3
    ratings = [rating for sample in samples for rating in sample["ratings"]]
    assert values["quality,none"] == pytest.approx(sum(ratings) / 30)
    assert values["quality_unscored,none"] == 0
    assert {"quality_std,none", "quality_stderr,none"} <= set(values)
    assert "quality_expected,none" not in values
    assert results["higher_is_better"]["own_instruct"]["quality"] is True
    for sample in samples:
        assert sample["quality"] == pytest.approx(sum(sample["ratings"]) / 10)
        assert sample["unscored"] == []
        # The judge is shown the question, not what the task's YAML makes of it.
        assert any(
            f"<instruction>\n{sample['doc']['question']}\n</instruction>" in prompt for prompt in asked
        )
    assert not any("Answer in one line:" in prompt for prompt in asked)
    record = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]
    fields = Signature.parse(record["signatures"]["quality"]).as_dict()
    assert fields["judge"] == "none/such"
    assert fields["judge_mode"] == "generate"
    assert fields["rubric"].startswith("instruction@")
    assert fields["k"] == "10"
    assert "judge" not in Signature.parse(record["signatures"]["self_bleu"]).as_dict()
    assert record["judge"]["running"] == {"fake": True}
    assert (tmp_path / "out" / "verdicts.sqlite").is_file()


def test_without_a_judge_quality_is_absent(lm: HFLM, tmp_path: Path) -> None:
    results = evaluate(lm, tmp_path, {})
    assert not [name for name in results["results"]["own_instruct"] if "quality" in name]
    assert "ratings" not in results["samples"]["own_instruct"][0]


def test_a_judge_that_cannot_be_loaded_is_refused_before_anything_is_generated(
    lm: HFLM, tmp_path: Path, judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HFLM, "generate_until", lambda *args, **kwargs: pytest.fail("it generated"))
    with pytest.raises(DiversityEvalError, match=r"does not load.*score LOGS --judge"):
        evaluate(lm, tmp_path, {"judge": str(judge_file)})
    with pytest.raises(DiversityEvalError, match=r"did you mean small-local\?"):
        evaluate(lm, tmp_path, {"judge": "smal-local"})
    with pytest.raises(DiversityEvalError, match="unknown key 'mod'; did you mean mode"):
        evaluate(lm, tmp_path, {"judge": str(judge_file), "judge_set": "mod=rate"})
    with pytest.raises(DiversityEvalError, match="judge_set is given without a judge"):
        evaluate(lm, tmp_path, {"judge_set": "mode=rate"})


def test_several_ranks_are_refused_with_advice(
    lm: HFLM, tmp_path: Path, judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diversity_eval.harness.model import EvaluatedModel
    from diversity_eval.harness.options import TaskOptions

    monkeypatch.setattr(HFLM, "world_size", 2)
    with pytest.raises(DiversityEvalError, match=r"several ranks.*diversity-eval score LOGS --judge"):
        module.open_rater(TaskOptions(judge=str(judge_file)), EvaluatedModel(lm), kind="story", task="t")


def test_a_kind_without_a_rubric_is_refused(lm: HFLM, tmp_path: Path) -> None:
    path = tmp_path / "stories.yaml"
    path.write_text(
        yaml.safe_dump({"backend": "transformers", "model": "none/such", "rubric": {"story": "story"}})
    )
    with pytest.raises(DiversityEvalError, match="no rubric for tasks of the kind 'instruction'"):
        evaluate(lm, tmp_path, {"judge": str(path)})


def test_unscored_responses_are_counted_and_kept(
    lm: HFLM,
    tmp_path: Path,
    judge_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeBackend(hole=3)
    monkeypatch.setattr(rater_module, "open_backend", lambda config: fake)
    results = evaluate(lm, tmp_path / "out", {"judge": str(judge_file)})
    samples = results["samples"]["own_instruct"]
    count = sum(rating is None for sample in samples for rating in sample["ratings"])
    assert count >= 10
    assert results["results"]["own_instruct"]["quality_unscored,none"] == count
    assert sum(len(sample["unscored"]) for sample in samples) == count
    assert samples[0]["unscored"][0].items() >= {"reason": "it said no", "reply": "no"}.items()
    rated = [[rating for rating in sample["ratings"] if rating is not None] for sample in samples]
    means = [sum(ratings) / len(ratings) for ratings in rated if ratings]
    assert results["results"]["own_instruct"]["quality,none"] == pytest.approx(sum(means) / len(means))


def test_predict_only_loads_no_judge(lm: HFLM, tmp_path: Path, judge_file: Path) -> None:
    results = evaluate(lm, tmp_path, {"judge": str(judge_file)}, predict_only=True)
    assert "quality,none" not in results["results"]["own_instruct"]


@pytest.mark.integration
def test_the_command_writes_everything_and_then_fails_if_too_many_are_unscored(
    checkpoint: Path, tmp_path: Path
) -> None:
    """Real lm_eval, a real judge: untrained, it gives the scale next to nothing, so no response is rated."""
    from tests.conftest import build_checkpoint

    judge_model = build_checkpoint(tmp_path / "judge_model", context=8192)
    path = tmp_path / "untrained.yaml"
    path.write_text(yaml.safe_dump({"backend": "transformers", "model": str(judge_model)}))
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={checkpoint}",
        "--tasks", "own_instruct", "--include_path", TASKS, "--limit", "2", "--device", "cpu",
        "--batch_size", "16", "--output_path", str(tmp_path / "out"), "--log_samples",
        "--metadata", f"judge={path},embeddings=none",
    ]  # fmt: skip
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=300
    )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith(
        "diversity-eval: error: own_instruct: 20 of 20 responses have no rating by judge untrained"
    )
    assert "Traceback" not in finished.stderr
    assert "quality_unscored" in finished.stdout
    (results_file,) = (tmp_path / "out").glob("*/results_*.json")
    assert json.loads(results_file.read_text())["results"]["own_instruct"]["quality_unscored,none"] == 20
    (samples_file,) = (tmp_path / "out").glob("*/samples_*.jsonl")
    sample = json.loads(samples_file.read_text().split("\n")[0])
    assert "less than 0.5" in sample["unscored"][0]["reason"]


def test_a_judge_that_fails_in_the_middle_loses_neither_responses_nor_verdicts(
    lm: HFLM, tmp_path: Path, judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(FakeBackend):
        def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
            super().judge(prompts[:7], on_verdict)
            raise RuntimeError("CUDA error: the card has gone")

    monkeypatch.setattr(rater_module, "open_backend", lambda config: Failing())
    results = evaluate(lm, tmp_path / "out", {"judge": str(judge_file)})
    values, samples = results["results"]["own_instruct"], results["samples"]["own_instruct"]
    ratings = [rating for sample in samples for rating in sample["ratings"]]
    assert sum(rating is not None for rating in ratings) >= 7
    assert values["quality_unscored,none"] == sum(rating is None for rating in ratings) > 0
    assert values["self_bleu,none"] >= 0
    reasons = {entry["reason"] for sample in samples for entry in sample["unscored"]}
    assert reasons == {"the rating ended early: RuntimeError: CUDA error: the card has gone"}


def test_settings_of_the_judge_are_used_whole_and_recorded_by_name(
    lm: HFLM, tmp_path: Path, judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[JudgeConfig] = []

    def open_fake(config: JudgeConfig) -> FakeBackend:
        seen.append(config)
        return FakeBackend()

    monkeypatch.setattr(rater_module, "open_backend", open_fake)
    changes = {"request": {"api_key": "sk-secret", "x": 1}, "max_tokens": 9}
    results = evaluate(lm, tmp_path / "out", {"judge": str(judge_file), "judge_set": changes})
    assert seen[0].request == {"api_key": "sk-secret", "x": 1}
    assert seen[0].max_tokens == 9
    configs = json.dumps(results["configs"], default=str)
    assert "sk-secret" not in configs
    assert "max_tokens" in configs


def test_a_task_has_to_say_which_field_is_the_prompt(lm: HFLM, tmp_path: Path, judge_file: Path) -> None:
    manager = TaskManager(
        include_path=TASKS, include_defaults=False, metadata={"embeddings": "none", "judge": str(judge_file)}
    )
    with pytest.raises(DiversityEvalError, match="add prompt_field: NAME"):
        simple_evaluate(model=lm, tasks=["own_base"], task_manager=manager, limit=1, bootstrap_iters=0)
