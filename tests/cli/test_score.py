"""`diversity-eval score` as a user types it; the judge behind it has no model."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from diversity_eval.cli import cli
from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging import backends
from diversity_eval.metrics import semantic
from tests.logs.lm_eval_runs import own_run
from tests.scoring.fake_judge import MarkedJudge, write_judge


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["score", *map(str, arguments)])


def quick(*arguments: object) -> Result:
    return run(*arguments, "--embeddings", "none")


def write_rows(path: Path, *responses: list[str]) -> Path:
    rows = [{"id": i, "prompt": f"p{i}", "responses": texts} for i, texts in enumerate(responses)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "mine.jsonl", ["it is mark-5", "so mark-2"], ["oh mark-0", "oh mark-1"])


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    return write_judge(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[MarkedJudge]:
    """The judges that the command opens."""
    judges: list[MarkedJudge] = []

    def open_fake(config: Any) -> MarkedJudge:
        judges.append(MarkedJudge(config))
        return judges[-1]

    monkeypatch.setattr(backends, "open_backend", open_fake)
    return judges


def results_file(output: Path) -> Path:
    (found,) = output.glob("*/results_*.json")
    return found


def test_without_a_judge_quality_is_absent_and_one_line_says_so(mine: Path, tmp_path: Path) -> None:
    shown = quick(mine, "-o", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    table, _, end = shown.output.partition(
        "No judge, so quality is not measured; --judge NAME rates the responses.\n"
    )
    assert end
    assert "quality" not in table
    assert re.search(r"^mine$", shown.output, re.MULTILINE)
    assert "2 prompts, 2 responses to each\n" in shown.output
    assert re.search(r"^ +unique_fraction +1\.0000 +0\.0000 +0\.0000$", shown.output, re.MULTILINE)
    assert str(results_file(tmp_path / "out")) in shown.output
    assert not (tmp_path / "out" / "verdicts.sqlite").exists()


def test_with_a_judge_quality_is_in_the_table_and_the_store_is_used_again(
    mine: Path, judge: Path, tmp_path: Path, opened: list[MarkedJudge]
) -> None:
    shown = quick(mine, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert re.search(r"^ +quality +2\.0000 +1\.5000 +2\.1213$", shown.output, re.MULTILINE)
    assert "quality_unscored: 0" in shown.output
    assert "judged as instruction" in shown.output
    assert "0 from the store, 4 asked for" in shown.output
    assert str(tmp_path / "out" / "verdicts.sqlite") in shown.output
    assert opened[0].closed == 1
    again = quick(mine, "--judge", judge, "-o", tmp_path / "out")
    assert "4 from the store, 0 asked for;" in again.output
    assert len(opened) == 1
    assert len(list(tmp_path.glob("out/*/results_*.json"))) == 2


def test_the_form_for_programs(mine: Path, judge: Path, tmp_path: Path, opened: list[MarkedJudge]) -> None:
    single = write_rows(tmp_path / "single.jsonl", ["oh mark-3"], ["so mark-1"])
    shown = quick(mine, single, "--judge", judge, "-o", tmp_path / "out", "--json")
    report = json.loads(shown.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    first, second = report["tasks"]
    assert (first["task"], first["k"], first["results"]["quality,none"], first["unscored"]) == (
        "mine",
        "2",
        2.0,
        0,
    )
    assert (second["results"]["quality,none"], second["results"]["self_bleu,none"]) == (2.0, None)
    assert Path(first["results_file"]).is_file()
    assert Path(first["sample_log"]).is_file()
    assert (report["judge"]["model"], report["judge"]["verdicts_asked"]) == ("fake-judge", 6)
    assert report["verdicts"] == str(tmp_path / "out" / "verdicts.sqlite")


def test_a_run_of_lm_eval_keeps_its_place_and_its_model_s_name(checkpoint: Path, tmp_path: Path) -> None:
    shown = quick(own_run(checkpoint), "-o", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert f"own_instruct ({checkpoint})" in shown.output
    assert results_file(tmp_path / "out").parent.name == own_run(checkpoint).name


def test_options_reach_what_they_are_for(
    mine: Path, judge: Path, tmp_path: Path, opened: list[MarkedJudge]
) -> None:
    shown = quick(
        mine, "--judge", judge, "-o", tmp_path / "out", "--mode", "rate", "--judge-set", "max_tokens=8",
        "--judge-set", "scale=[0, 5]", "--kind", "story", "--prompt-field", "id", "--limit", 1,
        "--verdicts", tmp_path / "elsewhere.sqlite",
    )  # fmt: skip
    assert shown.exit_code == 1  # ids are numbers, no prompts
    assert '"id" is a number; expected a text' in shown.output
    shown = quick(
        mine, "--judge", judge, "-o", tmp_path / "out", "--mode", "rate", "--judge-set", "max_tokens=8",
        "--kind", "story", "--limit", 1, "--verdicts", tmp_path / "elsewhere.sqlite",
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert "judged as story" in shown.output
    assert "quality_expected" in shown.output
    assert "1 prompts, 2 responses" in shown.output
    assert (tmp_path / "elsewhere.sqlite").is_file()
    results = json.loads(results_file(tmp_path / "out").read_text(encoding="utf-8"))
    record = results["configs"]["mine"]["metadata"]["diversity_eval"]
    assert (record["kind"], record["documents"]) == ("story", "first 1 of 2")
    assert "rubric:story@" in record["signatures"]["quality"]
    assert (record["scored"]["judge"]["mode"], record["scored"]["judge"]["max_tokens"]) == ("rate", 8)


def test_the_recorded_command_holds_no_secret(
    mine: Path, judge: Path, tmp_path: Path, opened: list[MarkedJudge]
) -> None:
    shown = quick(
        mine, "--judge", judge, "-o", tmp_path / "out", "--judge-set",
        "base_url=http://me:hunter2@127.0.0.1:8000/v1?key=hunter2", "--judge-set",
        "request={extra_headers: {x: hunter2}}", "--judge-set", "api_key_env=MY_KEY", "--retry-unscored",
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    text = results_file(tmp_path / "out").read_text(encoding="utf-8")
    assert "hunter2" not in text
    command = json.loads(text)["configs"]["mine"]["metadata"]["diversity_eval"]["scored"]["command"]
    assert command == (
        f"diversity-eval score {mine} -o {tmp_path / 'out'} --judge {judge} --judge-set "
        "base_url=http://127.0.0.1:8000/v1 --judge-set request=... --judge-set api_key_env=MY_KEY "
        "--retry-unscored --embeddings none"
    )


def test_more_than_five_percent_unscored_writes_everything_and_fails(
    judge: Path, tmp_path: Path, opened: list[MarkedJudge]
) -> None:
    good = ["oh mark-4"] * 17
    path = write_rows(tmp_path / "mine.jsonl", [*good, "oh mark-x", "no mark-x", "ah mark-f"])
    shown = quick(path, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 1
    (line,) = [line for line in shown.stderr.splitlines() if "error" in line]
    assert "3 of 20 responses (15.0%) have no rating by judge fake" in line
    assert (
        "the reply holds no valid rating (Total rating: N, N from 0 to 5) (2); the server is down (1)" in line
    )
    assert "more than 5% of mine: do not publish" in line
    assert "--retry-unscored" in line
    results = json.loads(results_file(tmp_path / "out").read_text(encoding="utf-8"))
    assert results["results"]["mine"]["quality_unscored,none"] == 3.0


def test_up_to_five_percent_unscored_is_a_warning(
    judge: Path, tmp_path: Path, opened: list[MarkedJudge]
) -> None:
    path = write_rows(tmp_path / "mine.jsonl", [*["oh mark-4"] * 19, "oh mark-x"])
    shown = quick(path, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 0
    assert "warning: 1 of 20 responses (5.0%) have no rating" in shown.stderr


def test_one_bad_task_among_good_ones_is_named(
    judge: Path, tmp_path: Path, opened: list[MarkedJudge]
) -> None:
    good = write_rows(tmp_path / "good.jsonl", [f"{i} mark-4" for i in range(100)])
    bad = write_rows(tmp_path / "bad.jsonl", ["oh mark-x", "oh mark-4"])
    shown = quick(good, bad, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 1
    assert "1 of 102 responses (1.0%)" in shown.stderr
    assert "of bad: do not publish" in shown.stderr


def test_a_judge_that_does_not_load_fails_before_anything_is_computed(
    mine: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: Any) -> Any:
        raise DiversityEvalError("judge fake.yaml: no server at http://127.0.0.1:9/v1; start it")

    monkeypatch.setattr(backends, "open_backend", fail)
    monkeypatch.setattr(semantic, "load_embedder", lambda: pytest.fail("it loaded the embedder"))
    shown = run(mine, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 1
    assert (
        shown.stderr
        == "diversity-eval: error: judge fake.yaml: no server at http://127.0.0.1:9/v1; start it\n"
    )
    assert not list(tmp_path.glob("out/*/results_*"))


def test_an_interrupted_command_keeps_its_verdicts_and_goes_on(
    mine: Path, judge: Path, tmp_path: Path, opened: list[MarkedJudge], monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = MarkedJudge(interrupt_after=3)
    monkeypatch.setattr(backends, "open_backend", lambda config: stubborn)
    shown = quick(mine, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 130
    store = tmp_path / "out" / "verdicts.sqlite"
    assert (
        f"interrupted; 3 verdicts are kept in {store}, and the same command goes on from there"
        in shown.stderr
    )
    assert stubborn.closed == 1
    stubborn.interrupt_after = None
    shown = quick(mine, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 0
    assert "3 from the store, 1 asked for" in shown.output


def test_warnings_are_shown_and_reported(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "mine.jsonl", ["a b", "c d"], ["a b", "c d", "e f"])
    shown = quick(path, "-o", tmp_path / "out", "--json")
    assert "warning: " in shown.stderr
    (warning,) = json.loads(shown.stdout)["warnings"]
    assert "from 2 to 3 responses" in warning


def fake(folder: Path) -> Path:
    return write_judge(folder)


def bad_row(folder: Path) -> Path:
    path = folder / "bad.jsonl"
    path.write_text('{"prompt": "p", "responses": ["a", "b"]}\n{"prompt": "p"}\n', encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda d: [d / "missing.jsonl"], "missing.jsonl: no such file or folder"),
        (lambda d: [bad_row(d)], 'bad.jsonl, line 2: no "responses"'),
        (
            lambda d: [write_rows(d / "k1.jsonl", ["a"], ["b"])],
            "k1.jsonl: diversity needs at least 2 responses",
        ),
        (lambda d: [d / "mine.jsonl", "--mode", "rate"], "--mode is given without a judge; add --judge NAME"),
        (lambda d: [d / "mine.jsonl", "--judge-set", "mode=rate"], "--judge-set is given without a judge"),
        (lambda d: [d / "mine.jsonl", "--retry-unscored"], "--retry-unscored is given without a judge"),
        (lambda d: [d / "mine.jsonl", "--verdicts", d / "v"], "--verdicts is given without a judge"),
        (lambda d: [d / "mine.jsonl", "--judge", "nobody"], "judge 'nobody' is neither one of"),
        (
            lambda d: [d / "mine.jsonl", "--judge", fake(d), "--judge-set", "x"],
            "--judge-set x: expected KEY=VALUE",
        ),
        (
            lambda d: [d / "mine.jsonl", "--judge", fake(d), "--judge-set", "x=[1"],
            "--judge-set x: the value is no",
        ),
        (lambda d: [d / "mine.jsonl", "--judge", fake(d), "--judge-set", "mods=rate"], "did you mean mode?"),
        (lambda d: [d / "mine.jsonl", "--judge", fake(d), "--judge-set", "api_key=k"], "no key belongs into"),
        (
            lambda d: [d / "mine.jsonl", "--judge", fake(d), "--kind", "haiku"],
            "no rubric for tasks of the kind",
        ),
        (lambda d: [d / "mine.jsonl", "--prompt-field", "question"], 'mine.jsonl, line 1: no "question"'),
    ],
)
def test_a_user_s_mistake_is_one_line_and_writes_nothing(
    mine: Path, tmp_path: Path, arguments: Callable[[Path], list[object]], message: str
) -> None:
    shown = quick(*arguments(tmp_path), "-o", tmp_path / "out")
    assert shown.exit_code == 1
    (line,) = shown.stderr.splitlines()
    assert line.startswith("diversity-eval: error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-o", "out"],
        ["a.jsonl"],
        ["a.jsonl", "-o", "out", "--limit", "0"],
        ["a", "-o", "o", "--mode", "x"],
    ],
)
def test_a_wrong_call_is_a_usage_error(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_an_output_that_is_a_file_is_refused(mine: Path, tmp_path: Path) -> None:
    assert quick(mine, "-o", mine).exit_code == 2
    shown = quick(mine, "-o", mine / "out")
    assert shown.exit_code == 1
    assert "the folder cannot be made" in shown.stderr


def test_results_of_earlier_calls_in_the_output_folder_are_no_input(mine: Path, tmp_path: Path) -> None:
    output = tmp_path / "scored"
    for calls in (1, 2, 3):
        shown = quick(mine, *([output] if output.exists() else []), "-o", output)
        assert shown.exit_code == 0, shown.output
        assert ("are among the inputs and left out" in shown.output) == (calls > 1)
        assert len(list(output.glob("*/results_*.json"))) == calls
    alone = quick(output, "-o", output)
    assert alone.exit_code == 1
    assert "results of earlier calls in the output folder itself" in alone.output
    assert len(list(output.glob("*/results_*.json"))) == 3


def test_equal_prompts_under_different_ids_are_warned_of(
    tmp_path: Path, judge: Path, opened: list[MarkedJudge]
) -> None:
    path = tmp_path / "flat.jsonl"
    rows = [{"id": n, "prompt": f"p{n // 2}", "response": f"text mark-{n}"} for n in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shown = quick(path, "--judge", judge, "-o", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert "equal prompts stand under different ids" in shown.output
    for row in rows:
        del row["id"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shown = quick(path, "--judge", judge, "-o", tmp_path / "out")
    assert "equal prompts" not in shown.output
