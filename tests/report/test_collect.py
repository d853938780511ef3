import json
import math
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.collect import collect
from diversity_eval.report.evaluation import Evaluation
from diversity_eval.training.checkpoints.record import write_record
from tests.report.runs import write_run

KEPT = Path(__file__).parents[2] / "docs" / "runs"


def read(*paths: Path) -> tuple[list[Evaluation], list[str]]:
    warnings: list[str] = []
    return [evaluation for _, evaluation in collect(paths, warnings.append)], warnings


def test_a_run_of_lm_eval_with_its_values_responses_and_provenance(tmp_path: Path) -> None:
    write_run(tmp_path / "m", "org/m", {"self_bleu": [10.0, 20.0], "quality": [4.0, None]},
              notes={"ratings": [[5, 3], [None, None]]}, counts={"quality_unscored": 2},
              available=100)  # fmt: skip
    (evaluation,), warnings = read(tmp_path)
    assert warnings == []
    assert (evaluation.checkpoint, evaluation.task, evaluation.available) == ("org/m", "short_stories", 100)
    assert [prompt.key for prompt in evaluation.prompts] == ["0", "1"]
    assert evaluation.prompts[0].responses == ("story 0 by org/m", "another 0")
    assert evaluation.prompts[0].ratings == (5.0, 3.0)
    assert evaluation.prompts[1].ratings == (None, None)
    self_bleu, quality = evaluation.metrics["self_bleu"], evaluation.metrics["quality"]
    assert (self_bleu.mean, self_bleu.n) == (15.0, 2)
    assert self_bleu.std == pytest.approx(math.sqrt(50))
    assert (quality.mean, quality.n, quality.counts_missing, quality.higher_is_better) == (4.0, 1, 2, True)
    assert self_bleu.signature["max_new_tokens"] == "64"
    assert evaluation.provenance["sample_seed"] == 7
    assert "--tasks short_stories" in evaluation.provenance["command (rebuilt from the results)"]


def test_counts_and_values_without_a_signature_are_no_metrics(tmp_path: Path) -> None:
    write_run(tmp_path, "m", {"self_bleu": [1.0, 2.0]})
    log = next(tmp_path.glob("samples_*"))
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for row in rows:
        row["metrics"] += ["undefined", "answers_missing", "helper"]
        row |= {"undefined": 0.0, "answers_missing": 3.0, "helper": 1.0}
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (evaluation,), _ = read(tmp_path)
    assert set(evaluation.metrics) == {"self_bleu"}


def test_what_is_not_known_is_counted_beside_each_metric_that_lacks_it(tmp_path: Path) -> None:
    counts = {"partition_unknown": 3, "utility_unknown": 4, "asr_unscored": 5, "answers_unverifiable": 6}
    names = [
        "distinct_exact",
        "utility_v1_1",
        "asr_judge_worst",
        "asr_agreement",
        "pass_at_4",
        "distinct_2",
        "asr",
    ]
    write_run(tmp_path, "m", {name: [1.0] for name in names}, counts=counts)
    (evaluation,), _ = read(tmp_path)
    assert [evaluation.metrics[name].counts_missing for name in names] == [3, 4, 5, 5, 6, 0, 0]


def test_an_adapter_is_the_checkpoint_not_its_base_model(tmp_path: Path) -> None:
    write_run(
        tmp_path / "a",
        "org/m",
        {"self_bleu": [1.0]},
        model_args="pretrained=org/m,peft=runs/tofu,dtype=bfloat16",
    )
    write_run(
        tmp_path / "b", "org/m", {"self_bleu": [1.0]}, model_args={"pretrained": "org/m", "peft": "runs/ce"}
    )
    evaluations, _ = read(tmp_path)
    assert [(each.checkpoint, each.loss) for each in evaluations] == [
        ("runs/tofu", "tofu"),
        ("runs/ce", "ce"),
    ]


def test_a_training_record_beside_the_checkpoint_says_loss_and_parameters(tmp_path: Path) -> None:
    checkpoint = tmp_path / "final-one"
    checkpoint.mkdir()
    settings = {"loss": "tofu", "loss_parameters": {"beta": 0.6}, "model": "org/base-1b"}
    write_record(checkpoint, "adapter", {"training": {"settings": settings}})
    write_run(tmp_path / "run", str(checkpoint), {"self_bleu": [1.0]})
    (evaluation,), _ = read(tmp_path / "run")
    assert (evaluation.loss, evaluation.parameters, evaluation.base_model) == (
        "tofu", {"gamma": 3.0, "beta": 0.6}, "org/base-1b"
    )  # fmt: skip


def test_what_the_results_say_of_the_training_is_enough(tmp_path: Path) -> None:
    results = write_run(tmp_path, "/elsewhere/run-7", {"self_bleu": [1.0]})
    content = json.loads(results.read_text())
    record = content["configs"]["short_stories"]["metadata"]["diversity_eval"]
    record["training"] = {"loss": "tofu", "loss_parameters": {"gamma": 5.0}, "model": "base-1b"}
    results.write_text(json.dumps(content))
    (evaluation,), _ = read(tmp_path)
    assert (evaluation.loss, evaluation.parameters, evaluation.base_model) == (
        "tofu", {"gamma": 5.0, "beta": 0.8}, "base-1b"
    )  # fmt: skip


def test_a_mean_that_its_lines_do_not_give_is_said(tmp_path: Path) -> None:
    results = write_run(tmp_path, "m", {"self_bleu": [10.0, 20.0]})
    content = json.loads(results.read_text())
    content["results"]["short_stories"]["self_bleu,none"] = 11.0
    results.write_text(json.dumps(content))
    (evaluation,), (warning,) = read(tmp_path)
    assert evaluation.metrics["self_bleu"].mean == 15.0
    assert "self_bleu = 11" in warning
    assert "15" in warning


def test_results_without_sample_logs_have_means_only(tmp_path: Path) -> None:
    write_run(tmp_path, "m", {"self_bleu": [10.0, 20.0, 30.0, 40.0]}, samples=False)
    (evaluation,), _ = read(tmp_path)
    metric = evaluation.metrics["self_bleu"]
    # The standard error is 0.5 in the file, so the standard deviation over four prompts is 1.
    assert (metric.values, metric.mean, metric.std, metric.n) == (None, 25.0, 1.0, 4)


def test_multiple_choice_of_lm_eval_has_values_and_no_responses(tmp_path: Path) -> None:
    time = "2026-11-26T10-00-00.000002"
    row = {"doc": {"question": "?"}, "target": "A", "arguments": {"gen_args_0": {"arg_0": "?",
    "arg_1": " A"}},
           "resps": [[["-1.0", "False"]]], "filtered_resps": [["-1.0", "False"]], "filter": "none",
           "metrics": ["acc"], "doc_hash": "aa", "prompt_hash": "bb", "target_hash": "cc"}  # fmt: skip
    lines = [{**row, "doc_id": n, "acc": float(n % 2)} for n in range(4)]
    (tmp_path / f"samples_arc_easy_{time}.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines)
    )
    results = {"results": {"arc_easy": {"acc,none": 0.5, "acc_stderr,none": 0.1}},
    "configs": {"arc_easy": {"task": "arc_easy"}},
               "higher_is_better": {"arc_easy": {"acc": True}}, "versions": {"arc_easy": 1.0},
               "n-samples": {"arc_easy": {"original": 4, "effective": 4}}, "model_name": "m"}  # fmt: skip
    (tmp_path / f"results_{time}.json").write_text(json.dumps(results))
    (evaluation,), warnings = read(tmp_path)
    assert warnings == []
    assert (evaluation.task, evaluation.metrics["acc"].mean, evaluation.metrics["acc"].higher_is_better) == (
        "arc_easy",
        0.5,
        True,
    )
    assert evaluation.metrics["acc"].signature["task"] == "arc_easy@1.0"
    assert evaluation.prompts[0].responses == ()


def leaderboard(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(parents=True)
    path = folder / "scores.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ROW = {"id": "curated-0", "prompt": "p", "model": "org/m", "generations": ["a", "b", "c"],
"partition": [0, 1, 0],
       "distinct": 1, "generation_scores": [5, 5, 5], "partition_scores": [5, 5], "utility": 4.5}  # fmt: skip


def test_leaderboard_files_count_classes_anew(tmp_path: Path) -> None:
    leaderboard(
        tmp_path / "nb-curated" / "v1.0",
        [ROW, {**ROW, "id": "curated-1", "partition": [0, 0, 0], "utility": None}],
    )
    (evaluation,), _ = read(tmp_path)
    # The benchmark's scripts store one less than there are classes.
    assert evaluation.metrics["distinct"].mean == 1.5
    assert (evaluation.metrics["utility"].mean, evaluation.metrics["utility"].n) == (4.5, 1)
    assert (evaluation.task, evaluation.checkpoint, evaluation.available) == ("novelty_bench", "org/m", 100)
    assert evaluation.metrics["distinct"].signature["metric_version"] == "1.0"
    assert evaluation.prompts[0].partition == (0, 1, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "id": None}, "line 1: expected NoveltyBench's fields"),
        ({**ROW, "generations": "a"}, "line 1: expected NoveltyBench's fields"),
        ({**ROW, "partition": [0, "1", 0]}, "`partition` is not a list of class numbers"),
    ],
)
def test_a_broken_leaderboard_row_is_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = leaderboard(tmp_path / "nb-curated" / "v1.0", [row])
    with pytest.raises(DiversityEvalError, match=message):
        read(path)


def test_mmlu_s_subjects_are_one_benchmark(tmp_path: Path) -> None:
    write_run(tmp_path, "m", {"accuracy": [1.0, 0.0, 1.0]}, task="mmlu_label_anatomy", available=135)
    first = json.loads(next(tmp_path.glob("results_*")).read_text())
    results = write_run(tmp_path, "m", {"accuracy": [0.0]}, task="mmlu_label_virology", available=166)
    second = json.loads(results.read_text())
    for name in ("results", "configs", "versions", "higher_is_better", "n-samples"):
        second[name] |= first[name]
    results.write_text(json.dumps(second))
    (evaluation,), _ = read(tmp_path)
    assert (evaluation.task, evaluation.available) == ("mmlu_label", 14_042)
    assert [prompt.key for prompt in evaluation.prompts] == [
        "anatomy/0",
        "anatomy/1",
        "anatomy/2",
        "virology/0",
    ]
    assert evaluation.metrics["accuracy"].mean == 0.5


def test_one_subject_alone_keeps_its_name(tmp_path: Path) -> None:
    write_run(tmp_path, "m", {"accuracy": [1.0, 0.0]}, task="mmlu_label_anatomy", available=135)
    (evaluation,), _ = read(tmp_path)
    assert (evaluation.task, evaluation.available) == ("mmlu_label_anatomy", 135)


def test_the_good_ones_of_several_are_read_and_the_bad_ones_said(tmp_path: Path) -> None:
    write_run(tmp_path / "good", "m", {"self_bleu": [1.0, 2.0]})
    half = write_run(tmp_path / "half", "n", {"self_bleu": [1.0, 2.0]})
    half.write_text(half.read_text()[:200])
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no run")
    torn = write_run(tmp_path / "torn", "o", {"self_bleu": [1.0, 2.0]}).parent
    log = next(torn.glob("samples_*"))
    log.write_text(log.read_text()[:-30])
    evaluations, warnings = read(
        *(tmp_path / name for name in ("good", "half", "empty", "notes.txt", "torn"))
    )
    assert [each.checkpoint for each in evaluations if each.metrics["self_bleu"].values is not None] == ["m"]
    said = "\n".join(warnings)
    for name in ("half", "empty", "notes.txt", "torn"):
        assert name in said
    assert len(warnings) == 4
    assert all("\n" not in warning for warning in warnings)


def test_nothing_usable_at_all_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=r"no usable run in .*not a run"):
        read(tmp_path)
    with pytest.raises(DiversityEvalError, match="no such file or folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(DiversityEvalError, match="no runs given"):
        read()


def test_a_run_of_no_documents_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "good", "m", {"self_bleu": [1.0]})
    results = write_run(tmp_path / "none", "n", {"self_bleu": [1.0]})
    next(results.parent.glob("samples_*")).write_text("")
    content = json.loads(results.read_text())
    content["results"]["short_stories"] = {"sample_len": 0}
    results.write_text(json.dumps(content))
    evaluations, warnings = read(tmp_path / "good", tmp_path / "none")
    assert len(evaluations) == 1
    assert any("holds no rows" in warning for warning in warnings)


def test_a_folder_named_twice_is_read_once(tmp_path: Path) -> None:
    write_run(tmp_path / "m", "m", {"self_bleu": [1.0]})
    assert len(read(tmp_path, tmp_path / "m", tmp_path / "m")[0]) == 1


def test_the_documented_runs_are_read() -> None:
    evaluations, warnings = read(KEPT / "training")
    assert warnings == []
    by_name = {each.checkpoint: each for each in evaluations if each.task.startswith("short_stories")}
    assert (by_name["tofu"].loss, by_name["tofu"].parameters) == ("tofu", {"gamma": 3.0, "beta": 0.8})
    results = json.loads((KEPT / "training" / "tofu" / "results.json").read_text())
    said = results["results"]["short_stories"]["self_bleu,none"]
    assert by_name["tofu"].metrics["self_bleu"].mean == pytest.approx(said, abs=1e-6)
    assert by_name["tofu"].metrics["self_bleu"].n == 30
