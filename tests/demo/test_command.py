"""`diversity-eval demo`: once from beginning to end, as `make demo` calls it; the rest on made-up numbers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from diversity_eval.cli.demo import demo
from diversity_eval.demo import run as module
from diversity_eval.demo.comparison import COLUMNS
from diversity_eval.training.run import TrainResult
from tests.demo.evaluations import an_evaluation

BASE = [50.0, 40.0, 30.0, 45.0, 35.0, 55.0]


@pytest.mark.integration
@pytest.mark.xdist_group("demo")
def test_a_first_time_user_sees_the_comparison_and_the_responses(cache_home: Path, tmp_path: Path) -> None:
    before = os.times()
    finished = subprocess.run(
        [sys.executable, "-c", "from diversity_eval.cli import main; main()", "demo", "-o", "out"],
        cwd=tmp_path, env={**os.environ, "XDG_CACHE_HOME": str(cache_home), "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    after = os.times()
    assert finished.returncode == 0, finished.stderr[-3000:]
    shown = finished.stdout
    for wanted in ("lm_eval --model hf", "--loss tofu --gamma 3 --beta 0.8", "continue a story", "self_bleu"):
        assert wanted in shown
    assert re.findall(r"^  (base|ce|tofu|tofu - ce) +-?\+?\d", shown, re.MULTILINE) == [
        "base", "ce", "tofu", "tofu - ce",
    ] * 2  # fmt: skip
    assert shown.count("\n   - ") == 12
    # With the base model it has three minutes on two cores; how much of a core it gets here is not its doing.
    used = after.children_user - before.children_user + after.children_system - before.children_system
    assert used < 240
    rows = {}
    for version in ("base", "ce", "tofu"):
        (results_file,) = tmp_path.glob(f"out/evaluations/{version}/*/results_*.json")
        results = json.loads(results_file.read_text(encoding="utf-8"))
        for task in ("demo_stories", "demo_prompts"):
            assert 0 < results["results"][task]["self_bleu,none"] < 90
            assert results["results"][task]["unique_fraction,none"] > 0.5
        record = results["configs"]["demo_prompts"]["metadata"]["diversity_eval"]
        assert record["prompt_template"].startswith("chat@")
        rows[version] = record["signatures"]["self_bleu"]
        assert record.get("training", {}).get("loss") == (None if version == "base" else version)
    assert len(set(rows.values())) == 1  # or they would not belong in one column
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<title>The demo: a tiny model and its fine-tuned versions</title>" in page
    assert page.count('<figure class="panel"') == 2  # differences from ce, of stories and of prompts
    assert "The report, to open in a browser: out/report.html" in shown
    for version in ("ce", "tofu"):
        log = (tmp_path / "out" / "checkpoints" / version / "log.jsonl").read_text(encoding="utf-8")
        first, *_, last = [json.loads(line) for line in log.splitlines()]
        assert last["loss"] < 0.85 * first["loss"]
        assert last["p_label"] > first["p_label"]


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo whose models and evaluations cost nothing: ce is far above base, tofu about the same."""

    def train_version(name: str, model: Path, rows: Path, folder: Path) -> Any:
        return TrainResult(folder, 100, 0, 8.0, 0.6, 0.5, 0.75, float("nan"), {}, None)

    def evaluate(arguments: list[str], output: Path) -> Any:
        shift = {"base": [0.0] * 6, "ce": [20.0, 21, 25, 19, 18, 22], "tofu": [1.0, -1, 2, -2, 3, -3]}[
            output.name
        ]
        values = [value + by for value, by in zip(BASE, shift, strict=True)]
        return an_evaluation(
            dict.fromkeys(COLUMNS, values), responses=["First one.\n And on.", "", "c", "d", "e"]
        )

    monkeypatch.setattr(module, "train_version", train_version)
    monkeypatch.setattr(module, "evaluate", evaluate)
    monkeypatch.setattr("diversity_eval.demo.model.demo_model", lambda: tmp_path / "demo-model-1")
    # Made-up evaluations have no files to read again; the demo from beginning to end writes the report.
    monkeypatch.setattr(
        "diversity_eval.demo.reporting.write_demo_report", lambda evaluations, output: output / "report.html"
    )
    return tmp_path / "out"


def test_the_table(made_up: Path) -> None:
    shown = CliRunner().invoke(demo, ["-o", str(made_up)])
    assert shown.exit_code == 0, shown.output
    table = {line.split("  ")[1]: line for line in shown.stdout.splitlines() if re.match(r"  \S.*\(\d", line)}
    assert table["base"].count("42.50 (0.25) ") == len(COLUMNS)
    assert table["ce"].count("63.33 (0.25)*") == len(COLUMNS)
    assert table["tofu"].count("42.50 (0.25) ") == len(COLUMNS)
    assert re.search(r"-20\.83 \(\d\.\d\d\)\*", table["tofu - ce"])
    # two tasks, five metrics, three pairs; base against ce and tofu against ce are marked
    assert "20 of 30 comparisons are marked" in shown.stdout
    assert "not which loss is better" in shown.stdout
    assert "   - First one. And on.\n   - (empty)\n   - c\n   - d\n" in shown.stdout
    assert shown.stdout.count("   - ") == 12


def test_the_form_for_programs(made_up: Path) -> None:
    shown = CliRunner().invoke(demo, ["-o", str(made_up), "--json", "--num-samples", "4"])
    assert shown.exit_code == 0, shown.output
    report = json.loads(shown.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert list(report["versions"]) == ["base", "ce", "tofu"]
    assert report["versions"]["ce"]["results"]["demo_stories"]["self_bleu,none"] == pytest.approx(
        42.5 + 125 / 6
    )
    assert report["versions"]["tofu"]["training"]["last_entropy"] is None
    assert report["versions"]["tofu"]["checkpoint"] == str(made_up / "checkpoints" / "tofu")
    assert "num_samples=4" in report["versions"]["base"]["evaluation"]
    assert "training" not in report["versions"]["base"]
    assert report["not_fine_tuned"] is None
    (one,) = [
        each for each in report["differences"]
        if (each["task"], each["metric"], each["version"]) == ("demo_prompts", "self_bleu", "ce")
    ]  # fmt: skip
    assert one["difference"] == pytest.approx(125 / 6)
    assert one["p_value"] == 2 / 64
    assert one["significant"] is True


def test_without_the_extra_for_training_the_base_is_shown_and_the_extra_named(
    made_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, package=None: None if name == "trl" else name
    )
    shown = CliRunner().invoke(demo, ["-o", str(made_up)])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"Only the base model is evaluated: .*trl.*diversity-eval\[train\]", shown.stderr)
    assert "base " in shown.stdout
    assert not re.search(r"tofu|\bce\b|comparisons", shown.stdout)
    report = json.loads(CliRunner().invoke(demo, ["-o", str(made_up), "--json"]).stdout)
    assert list(report["versions"]) == ["base"]
    assert report["differences"] == []
    assert "diversity-eval[train]" in report["not_fine_tuned"]
