"""`diversity-eval quantize` as a user types it."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from diversity_eval.cli import cli


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["quantize", *map(str, arguments)])


def test_it_says_what_was_done(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "nf4"
    result = run(checkpoint, "-o", out)
    assert result.exit_code == 0, result.output
    assert f"{out}: 7 matrices, 63.4% of 64,640 weights, in NF4; 0.3 MB became 0.1 MB" in result.stdout
    assert "Error: 0.09" in result.stdout
    assert f"lm_eval --model hf --model_args pretrained={out}" in result.stdout
    again = run(checkpoint, "-o", out)
    assert again.exit_code == 1
    assert again.stderr.startswith(f"diversity-eval: error: {out}: is not empty")
    assert "Traceback" not in again.output
    replaced = run(checkpoint, "-o", out, "--overwrite", "--dtype", "float32", "--json")
    report = json.loads(replaced.stdout)
    assert (report["dtype"], report["matrices"], report["output"]) == ("float32", 7, str(out))
    assert report["error"]["relative"] < 0.1


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "there is no such folder" in result.stderr
    assert result.stderr.count("\n") == 1


def test_help_has_an_example_and_needs_no_torch() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "Example: diversity-eval quantize" in result.stdout
    assert "quantize" in CliRunner().invoke(cli, ["--help"]).stdout
