"""Writing NoveltyBench's files where some are already: nothing that is known is lost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.data.writing import encode_rows
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import LeaderboardPrompt, LoggedRun, read_logs, write_leaderboard
from diversity_eval.metrics.novelty import UNKNOWN
from tests.logs.novelty_runs import CLASSES, SCORES, everything, judged, logged, rows_of, summary_of


def refused(
    out: Path, run: LoggedRun, prompts: list[LeaderboardPrompt], message: str, **options: Any
) -> None:
    before = everything(out)
    with pytest.raises(DiversityEvalError, match=message) as caught:
        write_leaderboard(out, run, prompts, **{"version": "1.0", **options})
    assert "Choose another output folder" in str(caught.value)
    assert str(out) in str(caught.value)
    assert everything(out) == before


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(tmp_path: Path, out: Path) -> LoggedRun:
    """A run whose files are there."""
    run = logged(tmp_path)
    write_leaderboard(out, run, judged(run), version="1.0")
    return run


def test_the_same_again_changes_nothing(run: LoggedRun, out: Path) -> None:
    before = everything(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.jsonl")}
    write_leaderboard(out, run, judged(run), version="1.0")
    assert everything(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.jsonl")} == times


def test_another_version_and_the_other_subset_go_beside(run: LoggedRun, out: Path, tmp_path: Path) -> None:
    before = everything(out)
    write_leaderboard(out, run, judged(run, [[0, 0, 0]] * 3), version="1.1")
    wild = logged(tmp_path / "wild", ids=["WildChat-a", "WildChat-b", "WildChat-c"])
    write_leaderboard(out, wild, judged(wild), version="1.0")
    after = everything(out)
    assert {name: after[name] for name in before} == before
    assert len(after) == 4 + 3 + 4
    assert [(found.task, len(found.prompts)) for found in read_logs([out])] == [
        ("novelty_bench", 3), ("novelty_bench_wildchat", 3),
    ]  # fmt: skip


def test_another_model_is_refused_in_any_subset_and_version(
    run: LoggedRun, out: Path, tmp_path: Path
) -> None:
    message = "is of the model 'org/m', not 'other'"
    other = replace(run, model="other")
    refused(out, other, judged(other), message)
    refused(out, other, judged(other), message, version="1.1")
    refused(out, replace(run, model=None), judged(run), "is of the model 'org/m', not None")
    wild = logged(tmp_path / "wild", ids=["WildChat-a", "WildChat-b", "WildChat-c"], model="other")
    refused(out, wild, judged(wild), message)


def test_other_content_is_refused(run: LoggedRun, out: Path, tmp_path: Path) -> None:
    refused(
        out,
        run,
        judged(run, [CLASSES[0], [0, 0, 1], CLASSES[2]]),
        "another value of partition .* 'curated-1'",
    )
    refused(out, run, judged(run, scores=[[7, 4, 6], *SCORES[1:]]), "generation_scores for the prompt 'cur")
    other = logged(tmp_path / "b", [["x", "y", "z"]] * 3)
    refused(out, other, judged(other), r"nb-curated/generations\.jsonl has another value of generations")
    fewer = run.first(2)
    refused(out, fewer, judged(fewer, CLASSES[:2], SCORES[:2]), "has other prompts")


def test_what_was_known_is_not_forgotten(run: LoggedRun, out: Path) -> None:
    refused(out, run, judged(run, scores=None), "another value of generation_scores")
    refused(out, run, judged(run, [[0, UNKNOWN, UNKNOWN], *CLASSES[1:]]), "another value of partition")


def test_what_was_not_known_is_added(tmp_path: Path, out: Path) -> None:
    run = logged(tmp_path)
    prompts = judged(run, [[0, UNKNOWN, UNKNOWN], *CLASSES[1:]], [SCORES[0], [1, None, 4], SCORES[2]])
    prompts[0] = replace(prompts[0], unscored="no answer")
    folder = write_leaderboard(out, run, prompts, version="1.0")
    assert summary_of(folder)["unscored"] == 2
    write_leaderboard(out, run, judged(run), version="1.0")
    rows = rows_of(folder / "scores.jsonl")
    assert all(row["utility"] is not None and "unscored" not in row for row in rows)
    assert [row["partition"] for row in rows_of(folder / "partitions.jsonl")] == CLASSES
    assert sorted(summary_of(folder)) == ["mean_distinct", "mean_utility"]
    without = tmp_path / "without"
    write_leaderboard(without, run, judged(run, scores=None), version="1.0")
    write_leaderboard(without, run, judged(run), version="1.0")
    assert everything(without) == everything(out)


def test_the_benchmark_s_own_generations_stay_as_they_are(tmp_path: Path, out: Path) -> None:
    run = logged(tmp_path)
    rows = [
        {
            "generation_key": "k",
            "id": p.id,
            "model": run.model,
            "prompt": p.prompt,
            "generations": p.responses,
        }
        for p in reversed(run.prompts)
    ]
    own = out / "nb-curated" / "generations.jsonl"
    own.parent.mkdir(parents=True)
    own.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (own.parent / "batch.partition.jsonl").write_text('{"custom_id": 1}\n', encoding="utf-8")
    before = own.read_bytes()
    write_leaderboard(out, run, judged(run), version="1.0")
    assert own.read_bytes() == before


def test_distinct_as_the_benchmark_s_scripts_wrote_it_is_other_content(run: LoggedRun, out: Path) -> None:
    path = out / "nb-curated/v1.0/scores.jsonl"
    rows = [{**row, "distinct": max(row["partition"])} for row in rows_of(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    refused(out, run, judged(run), "another value of distinct")


def test_a_slim_file_gets_its_responses_back(run: LoggedRun, out: Path) -> None:
    before = everything(out)
    path = out / "nb-curated/v1.0/scores.jsonl"
    rows = [{name: row[name] for name in row if name != "generations"} for row in rows_of(path)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    write_leaderboard(out, run, judged(run), version="1.0")
    assert everything(out) == before


def test_a_summary_alone_is_of_unknown_scores(run: LoggedRun, out: Path) -> None:
    (out / "nb-curated/v1.0/scores.jsonl").unlink()
    refused(out, run, judged(run), r"summary\.json is a summary of scores that are not there")


@pytest.mark.parametrize(("content", "fault"), [("{", "not JSON"), ("[1]\n", "a JSON list")])
def test_a_damaged_file_is_named(run: LoggedRun, out: Path, content: str, fault: str) -> None:
    path = out / "nb-curated/v1.0/partitions.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        DiversityEvalError, match=f"line 1: {fault}.*or choose another output folder"
    ) as caught:
        write_leaderboard(out, run, judged(run), version="1.0")
    assert str(caught.value).startswith(str(path))


def test_an_interrupted_writing_is_finished_by_the_next(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = logged(tmp_path)
    count = 0

    def break_in_the_last_file(*args: Any) -> Any:
        nonlocal count
        count += 1
        if count == 8:  # of 3 + 3 + 3 rows
            raise KeyboardInterrupt
        return encode_rows(*args)

    monkeypatch.setattr("diversity_eval.logs.novelty_bench.encode_rows", break_in_the_last_file)
    with pytest.raises(KeyboardInterrupt):
        write_leaderboard(out, run, judged(run), version="1.0")
    assert sorted(everything(out)) == ["nb-curated/generations.jsonl", "nb-curated/v1.0/partitions.jsonl"]
    monkeypatch.undo()
    write_leaderboard(out, run, judged(run), version="1.0")
    write_leaderboard(tmp_path / "whole", run, judged(run), version="1.0")
    assert everything(out) == everything(tmp_path / "whole")
