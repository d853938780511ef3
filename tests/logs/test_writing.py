"""What is written is read back; what depends on metrics is in tests/scoring/test_score_logs.py."""

import json
import math
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import TaskResults, read_logs, write_results

TEXTS = ["a\u2028b", "\ud83d", "", "x\r\ny"]


def task_results(folder: Path, model: str | None = "org/m") -> TaskResults:
    path = folder / "mine.jsonl"
    row = {"id": "first", "prompt": "p\ud800", "responses": TEXTS, **({"model": model} if model else {})}
    path.write_text(json.dumps(row) + "\n", encoding="ascii")
    (run,) = read_logs([path])
    return TaskResults(
        run=run,
        results={"x,none": math.nan, "x_stderr,none": "N/A"},
        rows=[{"x": math.nan, "note": ["n"]}],
        metrics=[["x"]],
        higher_is_better={"x": True},
        record={
            "kind": "story",
            "prompt_field": "prompt",
            "signatures": {"mean_words": "mean_words|k:4|docs:all 1"},
        },
    )


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    before = task_results(tmp_path)
    written = write_results(tmp_path / "out", [before], seconds=1.5)
    assert written.results_file.parent == tmp_path / "out" / "org__m"
    (after,) = read_logs([tmp_path / "out"])
    assert (after.task, after.model, after.kind, after.prompt_field) == ("mine", "org/m", "story", "prompt")
    assert [p.prompt for p in after.prompts] == ["p\ud800"]
    assert after.prompts[0].responses == before.run.prompts[0].responses
    assert after.prompts[0].raw_responses == tuple(TEXTS)
    assert after.fields == {"docs": "all 1"}
    text = written.results_file.read_text(encoding="utf-8")
    assert '"x,none": NaN' in text
    results = json.loads(text)
    assert results["n-samples"] == {"mine": {"original": 1, "effective": 1}}
    assert results["results"]["mine"]["alias"] == "mine"
    assert (results["model_name"], results["model_name_sanitized"]) == ("org/m", "org__m")
    assert results["higher_is_better"] == {"mine": {"x": True}}
    assert results["total_evaluation_time_seconds"] == "1.5"
    (line,) = written.sample_logs["mine"].read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["metrics"] == ["x"]
    assert json.loads(line)["note"] == ["n"]


def test_nothing_is_overwritten_and_nothing_leaves_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write_results(out, [task_results(tmp_path, model="..")])
    kept = first.results_file.read_bytes()
    others = [write_results(out, [task_results(tmp_path, model="..")]) for _ in range(3)]
    assert len({written.results_file for written in (first, *others)}) == 4
    assert first.results_file.read_bytes() == kept
    assert {path.parent for path in tmp_path.rglob("results_*.json")} == {out / "__"}
    assert not list(out.rglob("*.part"))
    assert len(read_logs([out])) == 4


def test_an_unknown_model_is_called_responses(tmp_path: Path) -> None:
    written = write_results(tmp_path / "out", [task_results(tmp_path, model=None)])
    assert written.results_file.parent.name == "responses"
    (run,) = read_logs([tmp_path / "out"])
    assert run.model == "responses"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match="the results cannot be written"):
        write_results(tmp_path / "out", [task_results(tmp_path)])
