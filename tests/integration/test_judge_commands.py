"""Both ways in, as a user takes them: real lm_eval and `diversity-eval score`, a judge over real HTTP."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from diversity_eval.judging.rubric import load_rubric
from tests.judging.faulty_judge import FaultyJudge, running, true_distribution, true_rating

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parent.parent.parent
TASKS = ROOT / "tests" / "harness" / "tasks"
KEY = "sk-this-is-a-secret-0123456789"


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def score(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(["-c", "from diversity_eval.cli import main; main()", "score", *arguments], **environment)


def judge_file(folder: Path, server: FaultyJudge, **settings: Any) -> Path:
    path = folder / "server.yaml"
    values = {"backend": "server", "model": "m", "base_url": server.url, "timeout": 5, **settings}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (results_file,) = folder.glob("*/results_*.json")
    (log,) = folder.glob("*/samples_*.jsonl")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n") if line]
    return json.loads(results_file.read_text(encoding="utf-8")), rows


def true_ratings(prompt: str, responses: list[str]) -> list[int]:
    rubric = load_rubric("instruction")
    return [true_rating(rubric.render(prompt, text, lowest=0, highest=5)) for text in responses]


def test_quality_during_lm_eval_and_again_afterwards(checkpoint: Path, tmp_path: Path) -> None:
    with running(FaultyJudge(rate=0.2, faults=["429", "500", "garbage"])) as server:
        judge = judge_file(tmp_path, server, mode="rate")
        finished = run([
            "-m", "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={checkpoint}",
            "--device", "cpu", "--batch_size", "16", "--tasks", "own_instruct", "--include_path", str(TASKS),
            "--limit", "3", "--output_path", str(tmp_path / "run"), "--log_samples",
            "--metadata", f"judge={judge},embeddings=none",
        ])  # fmt: skip
        assert finished.returncode == 0, finished.stderr[-3000:]
        assert "|quality" in finished.stdout.replace(" ", "")
        asked = sum(server.answered.values())
        # The verdicts are stored beside the results: the same judge is not asked again.
        again = score(
            str(tmp_path / "run"), "--judge", str(judge), "--embeddings", "none",
            "-o", str(tmp_path / "again"), "--verdicts", str(tmp_path / "run" / "verdicts.sqlite"),
        )  # fmt: skip
        assert again.returncode == 0, again.stderr[-3000:]
        assert sum(server.answered.values()) == asked
    assert "quality" in again.stdout
    results, rows = read(tmp_path / "run")
    assert len(rows) == 3
    for row in rows:
        responses = [text for request in row["filtered_resps"] for text in request]
        assert row["ratings"] == true_ratings(row["doc"]["question"], responses)
        assert row["quality"] == pytest.approx(statistics.fmean(row["ratings"]))
        scaled = [p / 0.9 for p in true_distribution(load_rubric("instruction").render(
            row["doc"]["question"], responses[0], lowest=0, highest=5
        ))]  # fmt: skip
        expected = sum(rating * p for rating, p in enumerate(scaled))
        assert row["expected_ratings"][0] == pytest.approx(expected, abs=1e-6)
    values = results["results"]["own_instruct"]
    assert values["quality,none"] == pytest.approx(statistics.fmean(row["quality"] for row in rows))
    assert values["quality_unscored,none"] == 0
    afterwards, _ = read(tmp_path / "again")
    for name, value in values.items():
        if name.endswith(",none"):
            assert afterwards["results"]["own_instruct"][name] == pytest.approx(value, abs=1e-12), name
    record = results["configs"]["own_instruct"]["metadata"]["diversity_eval"]
    later = afterwards["configs"]["own_instruct"]["metadata"]["diversity_eval"]
    assert record["signatures"] == later["signatures"]


def test_the_key_is_in_nothing_that_is_written_or_said(tmp_path: Path) -> None:
    """The server lets in only the key, and repeats it in every refusal and reply."""
    rows = [{"id": i, "prompt": f"Question {i}?", "responses": ["a boat", "an old map"]} for i in range(4)]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with running(FaultyJudge(key=KEY, echo=True, always={"Question 1?": 422})) as server:
        judge = judge_file(tmp_path, server, mode="generate", api_key_env="OWN_KEY", retries=2)
        arguments = (str(source), "--judge", str(judge), "--embeddings", "none", "-o", str(tmp_path / "out"))
        wrong = score(*arguments, OWN_KEY="sk-another-secret-000")
        assert wrong.returncode == 1
        assert "OWN_KEY" in wrong.stderr.splitlines()[-1]
        right = score(*arguments, OWN_KEY=KEY)
    assert right.returncode == 1  # two of eight are unscored
    assert "Traceback" not in wrong.stderr + right.stderr
    _, logged = read(tmp_path / "out")
    assert logged[1]["ratings"] == [None, None]
    assert logged[0]["ratings"] == true_ratings("Question 0?", ["a boat", "an old map"])
    said = wrong.stdout + wrong.stderr + right.stdout + right.stderr
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for secret in (KEY, "sk-another-secret-000"):
        assert secret not in said
        assert secret.encode() not in written
