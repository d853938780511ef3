import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from diversity_eval.cli import cli
from tests.report.runs import write_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, bleu in (("m-base", 9.0), ("m-ce", 22.0), ("m-tofu", 12.0)):
        values = {
            "self_bleu": [bleu + n % 3 + 0.1 * n for n in range(20)],
            "quality": [4.0 + 0.01 * (n % 5) for n in range(20)],
        }
        write_run(tmp_path / "runs" / name, f"org/{name}", values)
    return tmp_path / "runs"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def test_every_format_beside_the_page(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "r.html"
    formats = "html,md,tex,csv,parquet,json,svg,png,model-index"
    done = run(runs, "-o", out, "--format", formats, "--title", "Ours")
    assert done.exit_code == 0, done.output
    made = {path.name for path in out.parent.iterdir()}
    assert made == {"r.html", "r.md", "r.tex", "r.json", "r_cells.csv", "r_values.csv",
    "r_cells.parquet", "r_values.parquet",
                    "r_figures", "r_model_index"}  # fmt: skip
    assert "m-base is the most diverse at no significant cost in quality" in " ".join(done.output.split())
    assert "▲" not in done.output
    assert "better than m-ce" in done.output
    assert json.loads((out.parent / "r.json").read_text())["title"] == "Ours"
    assert (
        len(pd.read_csv(out.parent / "r_values.csv"))
        == len(pd.read_parquet(out.parent / "r_values.parquet"))
        == 120
    )
    assert {path.suffix for path in (out.parent / "r_figures").iterdir()} == {".svg", ".png"}
    assert {path.name for path in (out.parent / "r_model_index").iterdir()} == {
        "m-base.yaml",
        "m-ce.yaml",
        "m-tofu.yaml",
    }
    for name in made:
        assert str(out.parent / name) in done.output


def test_the_ending_says_the_format(runs: Path, tmp_path: Path) -> None:
    assert run(runs, "-o", tmp_path / "table.md").exit_code == 0
    assert (tmp_path / "table.md").read_text().startswith("Short Stories: m-base")
    assert not (tmp_path / "table.html").exists()
    refused = run(runs, "-o", tmp_path / "table.docx")
    assert refused.exit_code == 1
    assert "cannot tell the format" in refused.output


def test_json_on_the_standard_output(runs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["report", str(runs), "-o", str(tmp_path / "r.md"), "--json"])
    assert done.exit_code == 0
    content = json.loads(done.stdout)
    assert [row["label"] for row in content["rows"]] == ["m-base", "m-ce", "m-tofu"]
    assert content["settings"]["baseline"] == "m-ce"


def test_names_baseline_groups_and_published_figures(runs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli,
        ["report", str(runs), "-o", str(tmp_path / "r.md"), "--json", "--baseline", "first", "--group",
        "all=m", "--published",
         "alpaca:Qwen*", "--name", f"{runs / 'm-base'}=first", "--allow", "temperature", "--confidence",
         "0.9"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert [row["label"] for row in content["rows"]][:2] == ["first", "m-ce"]
    assert content["rows"][-1]["members"] == ["m-tofu"]
    assert content["published"]
    assert content["settings"]["confidence"] == 0.9
    assert content["settings"]["alpha"] == 0.1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "nowhere: no such file or folder"),
        (["RUNS", "--baseline", "nobody"], 1, "--baseline nobody: no run is called so"),
        (["RUNS", "--name", "justapath"], 2, "is not of the form PATH=LABEL"),
        (["RUNS", "--format", "docx"], 2, "no format 'docx'; there is html, md"),
        (["RUNS", "--published", "dolly"], 1, "the paper has no data set 'dolly'"),
        (["RUNS", "--protocol", "mine"], 1, "unknown protocol 'mine'"),
        (["RUNS", "--group", "g=x*"], 1, "no model matches 'x*'"),
        (
            ["RUNS", "-o", "RUNS/m-ce/samples_short_stories_2026-11-26T10-00-00.000001.jsonl/r.html"],
            1,
            "cannot be written",
        ),
        ([], 2, "Missing argument"),
    ],
)
def test_a_user_s_mistake_is_one_line_and_no_traceback(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*(argument.replace("RUNS", str(runs)) for argument in arguments))
    assert done.exit_code == code
    assert message in done.output
    assert "Traceback" not in done.output


def test_strict_refuses_what_is_otherwise_said(runs: Path, tmp_path: Path) -> None:
    write_run(runs / "hot", "hot", {"self_bleu": [1.0] * 20}, fields={"temperature": "1.5"})
    done = run(runs, "-o", tmp_path / "r.md")
    assert done.exit_code == 0
    assert "warning: Short Stories: not in one column, because the runs differ in temperature" in done.output
    refused = run(runs, "-o", tmp_path / "strict.md", "--strict")
    assert refused.exit_code == 1
    assert "not strictly comparable" in refused.output
    assert not (tmp_path / "strict.md").exists()


def test_a_page_without_matplotlib_has_no_figures_but_all_else(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else real(name, *a)
    )
    assert run(runs, "-o", tmp_path / "r.html").exit_code == 0
    assert "<svg" not in (tmp_path / "r.html").read_text()
