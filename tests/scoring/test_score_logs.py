"""Scoring logged runs, with lm-eval's own runs as the measure and a judge without a model."""

import hashlib
import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import load_judge
from diversity_eval.judging.rater import Rating
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import verdict_from_reply
from diversity_eval.logs import read_logs
from diversity_eval.metrics.signature import Signature
from diversity_eval.scoring.score_logs import OneTimeRater, ScoredTask, check_runs, rate_runs, score_logs
from tests.logs.lm_eval_runs import demo_run, own_run, predict_only_run, stock_run
from tests.scoring.fake_judge import MarkedJudge, write_judge


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def results_of(task: ScoredTask) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(task.results_file.read_text(encoding="utf-8"))
    return found


def record_of(task: ScoredTask) -> dict[str, Any]:
    found: dict[str, Any] = results_of(task)["configs"][task.run.task]["metadata"]["diversity_eval"]
    return found


def score(path: Path, output: Path, rater: OneTimeRater | None = None, **options: Any) -> list[ScoredTask]:
    runs = read_logs([path])
    if rater is not None:
        rate_runs(runs, rater)
    return list(score_logs(runs, output, rater=rater, **options))


def write_rows(path: Path, *responses: list[str]) -> Path:
    rows = [{"id": i, "prompt": f"p{i}", "responses": texts} for i, texts in enumerate(responses)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class Judging:
    """A rater over a fake judge, and the judges that it opened."""

    def __init__(self, folder: Path, mode: str = "generate", store: str = "v.sqlite") -> None:
        self.opened: list[MarkedJudge] = []
        config = load_judge(str(write_judge(folder, mode)))
        self.rater = OneTimeRater(config, VerdictStore(folder / store), open_with=self._open, progress=False)

    def _open(self, config: Any) -> MarkedJudge:
        self.opened.append(MarkedJudge(config))
        return self.opened[-1]


@pytest.mark.parametrize("logged", [own_run, demo_run])
def test_a_run_of_ours_gives_the_same_numbers_rows_and_signatures(
    checkpoint: Path, tmp_path: Path, logged: Any
) -> None:
    folder = logged(checkpoint)
    (file,) = folder.glob("results_*.json")
    before = json.loads(file.read_text(encoding="utf-8"))
    tasks = score(folder, tmp_path)
    assert {task.results_file for task in tasks} == set(tmp_path.glob("*/results_*.json"))
    assert len({task.results_file for task in tasks}) == 1
    after = results_of(tasks[0])
    assert after["results"] == before["results"]
    same = ("versions", "n-shot", "higher_is_better", "n-samples", "config", "model_name", "task_hashes",
            "model_name_sanitized", "group_subtasks", "git_hash", "lm_eval_version")  # fmt: skip
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["date"] > before["date"]
    assert set(after) >= set(before)
    for task in tasks:
        (log,) = folder.glob(f"samples_{task.run.task}_*.jsonl")
        assert lines(task.sample_log) == lines(log)
        old = before["configs"][task.run.task]["metadata"]["diversity_eval"]
        record = record_of(task)
        assert record["signatures"] == old["signatures"]
        assert {key: record[key] for key in old} == old
        scored = record["scored"]
        assert scored["from"] == {
            "file": log.name, "sha256": hashlib.sha256(log.read_bytes()).hexdigest(),
            "results_file": file.name, "date": before["date"],
        }  # fmt: skip
        assert "judge" not in scored
        assert not any("quality" in key for key in after["results"][task.run.task])


def test_what_was_written_gives_the_same_again(checkpoint: Path, tmp_path: Path) -> None:
    (first,) = score(own_run(checkpoint), tmp_path / "one", command="the first")
    (second,) = score(tmp_path / "one", tmp_path / "two", command="the second")
    assert second.results == first.results
    assert lines(second.sample_log) == lines(first.sample_log)
    assert record_of(second)["signatures"] == record_of(first)["signatures"]
    scored = record_of(second)["scored"]
    assert (scored["command"], scored["before"]["scored"]["command"]) == ("the second", "the first")
    assert scored["from"]["file"] == first.sample_log.name


def test_responses_without_metrics_are_scored_as_if_they_had_been(checkpoint: Path, tmp_path: Path) -> None:
    (run,) = score(own_run(checkpoint), tmp_path / "one")
    (bypass,) = score(predict_only_run(checkpoint), tmp_path / "two")
    assert bypass.results == run.results
    assert lines(bypass.sample_log) == lines(run.sample_log)
    assert record_of(bypass)["signatures"] == record_of(run)["signatures"]


def test_a_task_of_others_is_scored_and_read_again(checkpoint: Path, tmp_path: Path) -> None:
    one = score(stock_run(checkpoint), tmp_path / "one")
    two = score(tmp_path / "one", tmp_path / "two")
    assert [task.run.task for task in one] == ["stock_filters", "stock_repeats"]
    for first, second in zip(one, two, strict=True):
        assert second.results == first.results
        assert record_of(second)["signatures"] == record_of(first)["signatures"]
        fields = Signature.parse(record_of(first)["signatures"]["self_bleu"]).as_dict()
        assert (fields["temperature"], fields["top_p"], fields["k"]) == ("0.8", "unknown", first.run.k)
        assert not any("exact_match" in line for line in lines(first.sample_log))


def test_lm_eval_prints_its_table_of_what_was_written(checkpoint: Path, tmp_path: Path) -> None:
    from lm_eval.utils import make_table

    for path in (own_run(checkpoint), write_rows(tmp_path / "mine.jsonl", ["a b", "c d"])):
        (task,) = score(path, tmp_path / "out")
        table = make_table(results_of(task))
        assert "self_bleu" in table
        assert task.run.task in table


def test_values_worked_by_hand(tmp_path: Path) -> None:
    (task,) = score(write_rows(tmp_path / "mine.jsonl", ["a b", "a b"], ["c", "d e f"]), tmp_path / "out")
    first, second = lines(task.sample_log)
    assert (first["unique_fraction"], second["unique_fraction"]) == (0.5, 1.0)
    assert (first["self_bleu"], second["self_bleu"]) == (pytest.approx(100.0), 0.0)
    assert (first["distinct_1"], second["distinct_1"]) == (0.5, 1.0)  # a b of a b a b; all of c d e f
    assert (first["mean_words"], second["mean_words"]) == (2.0, 2.0)
    assert task.results["unique_fraction,none"] == 0.75
    assert task.results["unique_fraction_std,none"] == pytest.approx(0.125**0.5)
    assert task.results["unique_fraction_stderr,none"] == pytest.approx(0.25)
    assert task.results["undefined,none"] == 0.0
    signature = record_of(task)["signatures"]["unique_fraction"]
    assert signature.startswith("unique_fraction|k:2|temperature:unknown|")


def test_quality_is_the_mean_over_responses_then_over_prompts(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    path = write_rows(
        tmp_path / "mine.jsonl", ["mark-5", "mark-2"], ["mark-0", "mark-x"], ["mark-x", "mark-f"]
    )
    (task,) = score(path, tmp_path / "out", judging.rater)
    rows = lines(task.sample_log)
    assert [row.get("quality") for row in rows] == [3.5, 0.0, None]
    assert [row["ratings"] for row in rows] == [[5, 2], [0, None], [None, None]]
    assert [row["quality_unscored"] for row in rows] == [0.0, 1.0, 2.0]
    assert [entry["reason"] for entry in rows[2]["unscored"]][1] == "the server is down"
    assert "quality" in rows[0]["metrics"]
    assert "ratings" not in rows[0]["metrics"]
    assert task.results["quality,none"] == 1.75
    assert task.results["quality_unscored,none"] == 3.0
    assert task.results["quality_unscored_stderr,none"] == "N/A"
    assert task.unscored is not None
    assert (task.unscored.count, task.unscored.responses) == (3, 6)
    record = record_of(task)
    fields = Signature.parse(record["signatures"]["quality"]).as_dict()
    assert (fields["judge"], fields["judge_revision"], fields["scale"]) == ("fake-judge", "r1", "0-5")
    assert fields["rubric"].startswith("instruction@")
    assert "judge" not in Signature.parse(record["signatures"]["self_bleu"]).as_dict()
    judge = record["scored"]["judge"]
    assert (judge["model"], judge["verdicts_asked"], judge["running"]) == (
        "fake-judge",
        6,
        {"device": "none"},
    )


def test_the_judge_sees_bare_prompts_under_the_rubric_of_their_kind(checkpoint: Path, tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    asked: list[Rating] = []

    def rate(items: list[Rating], *, retry_unscored: bool = False) -> None:
        asked.extend(items)

    judging.rater.rate = rate  # type: ignore[method-assign,assignment]
    rate_runs(read_logs([demo_run(checkpoint)]), judging.rater)
    stories = {item.prompt for item in asked if item.kind == "story"}
    instructions = {item.prompt for item in asked if item.kind == "instruction"}
    (log,) = demo_run(checkpoint).glob("samples_demo_stories_*")
    assert stories == {row["doc"]["prompt"] for row in lines(log)}
    (log,) = demo_run(checkpoint).glob("samples_demo_prompts_*")
    assert instructions == {row["doc"]["instruction"] for row in lines(log)}


def test_all_tasks_share_one_judge_and_no_response_is_asked_for_twice(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    for name in ("a", "b"):
        write_rows(tmp_path / f"{name}.jsonl", ["it is mark-1", "oh mark-f"], ["so mark-2", "so mark-2"])
    runs = read_logs([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    rate_runs(runs, judging.rater)
    first, second = score_logs(runs, tmp_path / "out", rater=judging.rater)
    assert first.results == second.results
    assert first.results_file != second.results_file
    (judge,) = judging.opened
    assert len(judge.prompts) == 3  # 1, f and 2: the failed one too is asked for once a command


def test_a_second_time_only_what_failed_is_asked_again(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["mark-1", "mark-f"], ["mark-2", "mark-x"])
    score(path, tmp_path / "out", Judging(tmp_path).rater)
    again = Judging(tmp_path)
    score(path, tmp_path / "out", again.rater)
    assert [len(judge.prompts) for judge in again.opened] == [1]
    runs = read_logs([path])
    retried = Judging(tmp_path)
    rate_runs(runs, retried.rater, retry_unscored=True)
    assert [len(judge.prompts) for judge in retried.opened] == [2]


def test_a_distribution_gives_expected_ratings_and_entropies(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["mark-5", "mark-5"])
    (task,) = score(path, tmp_path / "out", Judging(tmp_path, "rate").rater)
    assert task.results["quality,none"] == 5.0
    assert task.results["quality_expected,none"] == pytest.approx(0.5 * 5 + 0.1 * (1 + 2 + 3 + 4))
    expected_entropy = -(0.5 * math.log(0.5) + 5 * 0.1 * math.log(0.1))
    assert task.results["quality_entropy,none"] == pytest.approx(expected_entropy)
    assert lines(task.sample_log)[0]["expected_ratings"] == pytest.approx([3.5, 3.5])


def test_scoring_without_a_judge_takes_quality_away(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["mark-1", "mark-f"])
    (judged,) = score(path, tmp_path / "one", Judging(tmp_path).rater)
    (task,) = score(tmp_path / "one", tmp_path / "two")
    text = task.results_file.read_text(encoding="utf-8")
    assert not any("quality" in key for key in task.results)
    assert not {"ratings", "unscored", "quality"} & set(lines(task.sample_log)[0])
    assert "quality" not in record_of(task)["signatures"]
    assert "quality" not in json.dumps(json.loads(text)["higher_is_better"])
    assert record_of(task)["scored"]["before"]["scored"]["judge"]["model"] == "fake-judge"
    assert record_of(judged)["signatures"]["self_bleu"] == record_of(task)["signatures"]["self_bleu"]


def test_the_judge_of_the_run_itself_is_kept_as_what_was_before(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "logged"
    shutil.copytree(own_run(checkpoint), folder)
    (file,) = folder.glob("results_*.json")
    results = json.loads(file.read_text(encoding="utf-8"))
    record = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]
    record["judge"] = {"model": "earlier"}
    quality = Signature(
        "quality", {**Signature.parse(record["signatures"]["mean_words"]).as_dict(), "judge": "e"}
    )
    record["signatures"]["quality"] = str(quality)
    file.write_text(json.dumps(results), encoding="utf-8")
    (task,) = score(folder, tmp_path / "out")
    assert "judge" not in record_of(task)
    assert record_of(task)["scored"]["before"] == {"judge": {"model": "earlier"}}
    assert "judge:e" not in json.dumps(record_of(task)["signatures"])


def test_single_responses_need_a_judge_and_get_quality_only(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["mark-1"], ["mark-4"])
    with pytest.raises(DiversityEvalError, match=r"mine\.jsonl: diversity needs at least 2 responses"):
        check_runs(read_logs([path]), None, print)
    judging = Judging(tmp_path)
    check_runs(read_logs([path]), judging.rater.config, print)
    (task,) = score(path, tmp_path / "out", judging.rater, embed=lambda texts: pytest.fail("it embedded"))
    assert task.results["quality,none"] == 2.5
    assert math.isnan(float(task.results["self_bleu,none"]))
    assert task.results["undefined,none"] == 2.0
    assert [row["quality"] for row in lines(task.sample_log)] == [1.0, 4.0]


def test_unequal_numbers_of_responses_are_warned_of_and_in_the_signature(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["a b", "c d"], ["a b", "c d", "e f"], ["a b"])
    warnings: list[str] = []
    check_runs(read_logs([path]), None, warnings.append)
    assert len(warnings) == 1
    assert "from 1 to 3 responses to a prompt" in warnings[0]
    (task,) = score(path, tmp_path / "out")
    assert Signature.parse(record_of(task)["signatures"]["self_bleu"]).as_dict()["k"] == "1-3"
    assert "self_bleu" not in lines(task.sample_log)[2]
    assert (task.results["self_bleu,none"], task.results["undefined,none"]) == (0.0, 1.0)


def test_a_kind_without_a_rubric_is_refused_first(tmp_path: Path) -> None:
    runs = read_logs([write_rows(tmp_path / "mine.jsonl", ["a", "b"])], kind="haiku")
    with pytest.raises(DiversityEvalError, match="no rubric for tasks of the kind 'haiku'"):
        check_runs(runs, Judging(tmp_path).rater.config, print)


def test_a_part_of_a_run_says_so_in_its_signatures(checkpoint: Path, tmp_path: Path) -> None:
    runs = [run.first(2) for run in read_logs([own_run(checkpoint)])]
    (task,) = score_logs(runs, tmp_path)
    (whole,) = read_logs([own_run(checkpoint)])
    fields = Signature.parse(record_of(task)["signatures"]["mean_words"]).as_dict()
    assert fields == {**whole.signature_fields(), "docs": "first 2 of 5"}
    assert results_of(task)["n-samples"] == {"own_instruct": {"original": 5, "effective": 2}}
    assert len(lines(task.sample_log)) == 2
    (again,) = score(tmp_path, tmp_path / "again")
    assert record_of(again)["signatures"] == record_of(task)["signatures"]


def test_vendi_score_is_that_of_the_embeddings(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["x", "y"], ["x", "x"])
    vectors = {"x": [1.0, 0.0], "y": [0.0, 1.0]}
    (task,) = score(path, tmp_path / "out", embed=lambda texts: [vectors[text] for text in texts])
    assert [row["vendi_score"] for row in lines(task.sample_log)] == [pytest.approx(2.0), pytest.approx(1.0)]
    assert "vendi_score" in record_of(task)["signatures"]


def test_ten_thousand_stored_verdicts_are_scored_in_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"word{i}" for i in range(997)]
    responses = [
        [" ".join(words[(i * j * k) % 997] for k in range(1, 41)) + f" {i}.{j} mark-3" for j in range(10)]
        for i in range(1000)
    ]
    path = write_rows(tmp_path / "mine.jsonl", *responses)
    judging = Judging(tmp_path)
    runs = read_logs([path])
    rater = judging.rater
    signature = rater.config.signature("instruction")
    rater.store._db.execute("PRAGMA synchronous=OFF")  # 10,000 commits are not what is measured
    for run in runs:
        for prompt in run.prompts:
            for response in prompt.responses:
                rendered = rater._render(Rating(run.kind, prompt.prompt, response))
                rater.store.put(signature, rendered, verdict_from_reply("Total rating: 3", 0, 5))
    started = time.monotonic()
    (task,) = score(path, tmp_path / "out", rater)
    seconds = time.monotonic() - started
    with capsys.disabled():
        print(f"\n10,000 stored verdicts, read, scored and written: {seconds:.2f} s")
    assert not judging.opened
    assert (rater.from_store, rater.asked, task.results["quality,none"]) == (10_000, 0, 3.0)
    assert seconds < 20
