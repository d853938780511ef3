"""`diversity-eval score --benchmark novelty_bench` as a user types it, with real small models."""

import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from diversity_eval.cli import cli
from diversity_eval.judging.novelty.classifier import TransformersClassifier
from diversity_eval.judging.result_store import ResultStore
from tests.judging.novelty.models import SENTENCES, build_classifier, build_reward_model


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["score", *map(str, arguments), "--embeddings", "none"])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("novelty")
    build_classifier(folder / "classifier")
    build_reward_model(folder / "reward")
    (folder / "classifier.yaml").write_text(
        yaml.safe_dump({"test": "classifier", "model": "classifier", "threshold": 0.3})
    )
    (folder / "reward.yaml").write_text(
        yaml.safe_dump({"backend": "transformers", "model": "reward", "thresholds": [-2.0, 0.0, 2.0]})
    )
    return folder


def write_generations(folder: Path, prompts: int = 4, k: int = 6, name: str = "mine-") -> Path:
    """As NoveltyBench writes them; the ids are ours."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"{name}{p}", "prompt": f"What about {p}?", "model": "a/model",
            "generations": [SENTENCES[(7 * p + 5 * i) % 48] for i in range(k)],
        }
        for p in range(prompts)
    ]  # fmt: skip
    path = folder / "generations.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(output: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (results_file,) = output.glob("*/results_*.json")
    (log,) = output.glob("*/samples_*.jsonl")
    (values,) = json.loads(results_file.read_text("utf-8"))["results"].values()
    return values, [json.loads(line) for line in log.read_text("utf-8").split("\n") if line]


def with_models(models: Path, *more: object) -> list[object]:
    return [
        "--benchmark", "novelty_bench", "--classifier", models / "classifier.yaml",
        "--reward", models / "reward.yaml", *more,
    ]  # fmt: skip


def test_generations_become_distinct_utility_and_leaderboard_files(models: Path, tmp_path: Path) -> None:
    generations = write_generations(tmp_path / "nb-curated")
    shown = run(generations, *with_models(models), "--format", "novelty-bench", "-o", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert "distinct " in shown.output
    assert "utility " in shown.output
    values, rows = read(tmp_path / "out")
    folder = tmp_path / "out" / "novelty-bench" / "a__model" / "nb-curated"
    scores = [
        json.loads(line) for line in (folder / "v1.0" / "scores.jsonl").read_text("utf-8").split("\n") if line
    ]
    for row, score in zip(rows, scores, strict=True):
        assert score["partition"] == row["partition"]
        assert score["distinct"] == row["distinct"] == len(set(row["partition"]))
        assert score["utility"] == row["utility"]
        assert score["generation_scores"] == [s or 0 for s in row["generation_scores"]]
    summary = json.loads((folder / "v1.0" / "summary.json").read_text())
    assert summary["mean_distinct"] == pytest.approx(values["distinct,none"])
    assert summary["mean_utility"] == pytest.approx(statistics.fmean(s["utility"] for s in scores))
    assert len({row["distinct"] for row in rows}) > 1 or rows[0]["distinct"] < 6

    # What was written can be read and scored again: the same, from the store, with no model opened.
    again = run(
        folder / "generations.jsonl", *with_models(models), "--format", "novelty-bench",
        "--novelty-store", tmp_path / "out" / "novelty.sqlite", "-o", tmp_path / "again", "--json",
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    report = json.loads(again.stdout)
    assert report["novelty_bench"]["classifier"]["compared"] == 0
    assert report["novelty_bench"]["reward"]["scored"] == 0
    assert read(tmp_path / "again")[0]["utility,none"] == values["utility,none"]
    assert report["tasks"][0]["unknown"] == {"distinct": 0, "utility": 0}


def test_files_of_an_earlier_call_in_the_output_folder_are_no_input(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    write_generations(out / "nb-curated")
    first = run(out, *with_models(models), "--format", "novelty-bench", "-o", out)
    assert first.exit_code == 0, first.output
    second = run(out, *with_models(models), "--format", "novelty-bench", "-o", out, "--json")
    assert second.exit_code == 0, second.output
    assert len(json.loads(second.stdout)["tasks"]) == 1


def test_without_the_benchmark_a_hint(tmp_path: Path) -> None:
    shown = run(write_generations(tmp_path / "in"), "-o", tmp_path / "out")
    assert shown.exit_code == 0
    assert "--benchmark novelty_bench measures them" in shown.output
    assert "distinct,none" not in read(tmp_path / "out")[0]


def test_without_a_reward_model_a_line_says_what_is_absent(models: Path, tmp_path: Path) -> None:
    shown = run(
        write_generations(tmp_path / "in"), "--benchmark", "novelty_bench",
        "--classifier", models / "classifier.yaml", "--format", "novelty-bench", "-o", tmp_path / "out",
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert "No reward model, so there is no Utility" in shown.output
    assert "the leaderboard wants a utility too" in shown.output
    assert not [name for name in read(tmp_path / "out")[0] if name.startswith("utility")]


@pytest.mark.parametrize(("name", "expected"), [("exact", 3.0), ("rouge1", 2.0)])
def test_tests_without_a_model_by_hand(tmp_path: Path, name: str, expected: float) -> None:
    texts = [
        "the baker paints the green boat",
        "the baker paints the old boat",  # five of six words shared: F 0.83
        "nobody knows where it went",
        "the baker paints the green boat",
        "",
        "",
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"id": 0, "prompt": "p", "responses": texts}) + "\n")
    shown = run(path, "--benchmark", "novelty_bench", "--classifier", name, "-o", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    values, rows = read(tmp_path / "out")
    assert values[f"distinct_{name},none"] == expected + 1  # and all empty ones together
    assert values["responses_empty,none"] == 2
    assert rows[0]["partition"][4] == rows[0]["partition"][5]
    assert "distinct,none" not in values


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--classifier", "exact"], "--classifier is given without a benchmark"),
        (["--format", "novelty-bench"], "--format is given without a benchmark"),
        (["--benchmark", "novelty_bench", "--classifier", "none"], "cannot do without one"),
        (["--benchmark", "novelty_bench", "--classifier", "exakt"], "did you mean exact?"),
        (["--benchmark", "novelty_bench", "--classifier", "exact", "--reward-set", "x=1"],
         "add --reward NAME"),
        (["--benchmark", "novelty_bench", "--classifier", "exact", "--format", "novelty-bench"],
         "the leaderboard knows no values by exact"),
        (["--benchmark", "novelty_bench", "--classifier", "exact", "--reward", "x"], "neither one of"),
        (["--benchmark", "novelty_bench", "--classifier-set", "thresold=1"], "did you mean threshold?"),
        (["--benchmark", "novelty_bench", "--classifier-set", "thresold"], "expected KEY=VALUE"),
        (["--benchmark", "novelty_bench", "--classifier", "v1.1", "--reward", "skywork-27b"],
         "metric version 1.1"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    shown = run(write_generations(tmp_path / "in"), *arguments, "-o", tmp_path / "out")
    assert shown.exit_code == 1
    assert said in shown.stderr
    assert "Traceback" not in shown.output
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*/results*"))


def test_one_response_a_prompt_is_refused(tmp_path: Path) -> None:
    shown = run(
        write_generations(tmp_path / "in", k=1), "--benchmark", "novelty_bench", "--classifier", "exact",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert shown.exit_code == 1
    assert "at least 2 responses" in shown.stderr


def test_unequal_numbers_of_responses_are_warned_of_and_measured(tmp_path: Path) -> None:
    path = write_generations(tmp_path / "in")
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    rows[0]["generations"] = rows[0]["generations"][:3]
    rows[1]["generations"][2:] = [None] * 4
    rows[2]["generations"] = []
    rows[3]["generations"] = rows[3]["generations"][:1]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["--benchmark", "novelty_bench", "--classifier", "exact", "-o", tmp_path / "out"]
    shown = run(path, *arguments)
    assert shown.exit_code == 1  # one of three prompts has no Distinct
    assert "1 of 3 prompts have no distinct_exact (fewer than two responses)" in shown.stderr
    values, _ = read(tmp_path / "out")
    assert values["distinct_exact,none"] == pytest.approx((3 + 2) / 2)
    assert values["partition_unknown,none"] == 1
    assert "from 1 to 3 responses to a prompt" in shown.stderr


def test_what_the_leaderboard_would_refuse_is_refused_before_anything_is_computed(
    models: Path, tmp_path: Path
) -> None:
    rows = [{"id": f"mine-{i}", "prompt": f"p{i}", "responses": list(SENTENCES[:3])} for i in range(2)]
    plain = tmp_path / "plain.jsonl"
    plain.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = write_generations(tmp_path / "a" / "nb-curated")
    second = write_generations(tmp_path / "b" / "nb-curated", k=4)
    arguments = [*with_models(models), "--format", "novelty-bench", "-o", tmp_path / "out"]
    for logs, said in (([plain], "tell which subset"), ([first, second], "runs of one model and subset")):
        shown = run(*logs, *arguments)
        assert shown.exit_code == 1
        assert said in shown.stderr
        assert not (tmp_path / "out").exists()
    assert run(first, *arguments).exit_code == 0
    other = run(second, *arguments)  # other responses of the same model into the same folder
    assert other.exit_code == 1
    assert "no leaderboard file was written" in other.stderr
    assert len(list((tmp_path / "out").glob("*/results_*.json"))) == 1


def test_leaderboard_files_that_cannot_be_written_stop_no_other_run(models: Path, tmp_path: Path) -> None:
    """Another threshold gives other classes, which shows only once they are there."""
    runs = [
        write_generations(tmp_path / "x" / "nb-curated"),
        write_generations(tmp_path / "y" / "nb-wildchat"),
    ]
    arguments = [*with_models(models), "--format", "novelty-bench", "-o", tmp_path / "out"]
    assert run(runs[0], *arguments).exit_code == 0
    again = run(*runs, *arguments, "--classifier-set", "threshold=0.999999")
    assert again.exit_code == 1
    assert "has another value of" in again.stderr
    assert "The results are written" in again.stderr
    assert len(list((tmp_path / "out").glob("*/samples_*.jsonl"))) == 3
    assert (
        tmp_path / "out" / "novelty-bench" / "a__model" / "nb-wildchat" / "v1.0" / "scores.jsonl"
    ).exists()


def test_equal_prompts_without_a_value_all_count(tmp_path: Path) -> None:
    rows = [{"id": i, "prompt": "p", "responses": ["one"]} for i in range(5)]
    rows += [{"id": 5 + i, "prompt": f"q{i}", "responses": ["a", "b"]} for i in range(10)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = run(path, "--benchmark", "novelty_bench", "--classifier", "exact", "-o", tmp_path / "out")
    assert shown.exit_code == 1
    assert "5 of 15 prompts have no distinct_exact" in shown.stderr


def test_a_fault_of_the_model_is_said_and_the_other_metrics_are_written(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(self: TransformersClassifier, rows: Any) -> list[float]:
        raise IndexError("an index of the card")

    monkeypatch.setattr(TransformersClassifier, "_forward", breaks)
    shown = run(write_generations(tmp_path / "in"), *with_models(models), "-o", tmp_path / "out")
    assert shown.exit_code == 1
    assert "IndexError: an index of the card" in shown.stderr
    assert "Traceback" not in shown.output
    assert "self_bleu,none" in read(tmp_path / "out")[0]


def test_a_killed_run_goes_on_from_what_was_compared(models: Path, tmp_path: Path) -> None:
    generations = write_generations(tmp_path / "in", prompts=40, k=20)
    store = tmp_path / "out" / "novelty.sqlite"
    command = [
        sys.executable, "-c", "from diversity_eval.cli import main; main()", "score",
        str(generations), *map(str, with_models(models)), "--classifier-set", "batch_size=1",
        "--embeddings", "none", "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            if store.exists():
                with ResultStore(store) as kept:
                    if kept.count() > 40:
                        break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it finished before it could be killed"
    with ResultStore(store) as kept:
        before = kept.count()
    arguments = [*with_models(models), "--classifier-set", "batch_size=1", "-o"]
    resumed = run(generations, *arguments, tmp_path / "out", "--json")
    fresh = run(generations, *arguments, tmp_path / "fresh", "--json")
    assert resumed.exit_code == fresh.exit_code == 0
    first, second = (json.loads(r.stdout)["novelty_bench"]["classifier"] for r in (resumed, fresh))
    assert first["from_store"] == before
    assert first["from_store"] + first["compared"] == second["compared"]
    assert read(tmp_path / "out")[0]["utility,none"] == read(tmp_path / "fresh")[0]["utility,none"]
