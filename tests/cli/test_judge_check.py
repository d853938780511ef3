import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diversity_eval.cli import cli
from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging import backends
from diversity_eval.judging.config import JudgeConfig
from tests.judging.check.known_judges import KnownJudge, Opener, blind, ideal, judge_config, story_cases

CASES = story_cases(12)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"prompt": c.prompt, "responses": [c.response], "stars": [float(i % 6)]} for i, c in enumerate(CASES)
    ]
    path = tmp_path / "ours.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    decide: Callable[[str, str], float | None],
    *arguments: str,
    mode: str = "generate",
) -> tuple[Result, Opener]:
    opener = Opener(decide)
    monkeypatch.setattr(backends, "open_backend", opener)
    judge_config(tmp_path, mode)
    words = ["judge-check", "--judge", str(tmp_path / "known.yaml"), "-o", str(tmp_path / "out"), *arguments]
    return CliRunner().invoke(cli, words), opener


def test_a_check_from_end_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    arguments = ("--data", str(data), "--kind", "story", "--human", "stars", "--modes")
    shown, opener = run(monkeypatch, tmp_path, ideal(CASES), *arguments)
    assert shown.exit_code == 0, shown.output
    assert "sees 5 of 5 degradations" in shown.stdout
    assert "Its modes generate and rate" in shown.stdout
    assert "12 human ratings" in shown.stdout
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} >= {"judge_check.json", "judge_check.md", "judge_check.png"}
    written = json.loads((out / "judge_check.json").read_text(encoding="utf-8"))
    assert written["command"].startswith("diversity-eval judge-check --judge ")
    assert written["kinds"][0]["modes"]["pairs"] == 12
    assert len(written["cases"]) == 12
    assert [judge.closed for judge in opener.opened] == [True, True]


def test_a_second_run_asks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    first, _ = run(monkeypatch, tmp_path, ideal(CASES), "--data", str(data))
    second, opener = run(monkeypatch, tmp_path, blind, "--data", str(data))
    assert opener.opened == []
    assert second.stdout == first.stdout


def test_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    shown, _ = run(
        monkeypatch, tmp_path, ideal(CASES), "--data", str(data), "--json", "--limit", "6", mode="rate"
    )
    found = json.loads(shown.stdout)
    assert found["kinds"][0]["kind"] == "instruction"
    assert found["kinds"][0]["prompts"] == 6
    assert found["ratings"] == 6 * 8
    assert Path(found["files"]["figure"]).is_file()
    assert "cases" not in found


def test_reference_texts_are_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_folder: Path
) -> None:
    shown, _ = run(monkeypatch, tmp_path, blind, "--limit", "5")
    assert shown.exit_code == 0, shown.output
    assert "## story: 5 prompts" in shown.stdout
    assert "## instruction: 5 prompts" in shown.stdout
    shown, _ = run(monkeypatch, tmp_path, blind, "--limit", "5", "--kind", "story")
    assert "## instruction" not in shown.stdout


def test_many_unscored_fail_after_everything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    def shy(prompt: str, response: str) -> float | None:
        return None if prompt.startswith("Story 0.") else 3.0

    shown, _ = run(monkeypatch, tmp_path, shy, "--data", str(data))
    assert shown.exit_code == 1
    assert "8 of 96 ratings (8.3%) could not be had" in shown.stderr
    assert "the reply holds no valid rating (8)" in shown.stderr
    assert (tmp_path / "out/judge_check.png").is_file()
    assert "8 of them unscored" in shown.stdout


def test_few_unscored_are_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    def nearly(prompt: str, response: str) -> float | None:
        return None if prompt.startswith("Story 0.") and not response else 3.0

    shown, _ = run(monkeypatch, tmp_path, nearly, "--data", str(data))
    assert shown.exit_code == 0
    assert "warning: 1 of 96 ratings" in shown.stderr


def test_what_was_found_stays_if_the_other_mode_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    class OneMode(Opener):
        def __call__(self, config: JudgeConfig) -> KnownJudge:
            if config.mode == "rate":
                raise DiversityEvalError("the server gives no log-probabilities")
            return super().__call__(config)

    judge_config(tmp_path)
    monkeypatch.setattr(backends, "open_backend", OneMode(blind))
    words = [
        "--judge",
        str(tmp_path / "known.yaml"),
        "--data",
        str(data),
        "-o",
        str(tmp_path / "out"),
        "--modes",
    ]
    shown = CliRunner().invoke(cli, ["judge-check", *words])
    assert shown.exit_code == 1
    assert "no log-probabilities" in shown.stderr
    written = json.loads((tmp_path / "out/judge_check.json").read_text(encoding="utf-8"))
    assert written["kinds"][0]["modes"] is None


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path) -> None:
    def interrupted(prompt: str, response: str) -> float:
        if prompt.startswith("Story 5."):
            raise KeyboardInterrupt
        return 3.0

    shown, _ = run(monkeypatch, tmp_path, interrupted, "--data", str(data))
    assert shown.exit_code == 130
    assert "the same command goes on from there" in shown.stderr
    assert (tmp_path / "out/verdicts.sqlite").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--human", "stars"), "--human names a field of --data; add --data FILE"),
        (("--kind", "poem"), "no reference responses of the kind 'poem'"),
        (("--judge-set", "concurrency"), "expected KEY=VALUE"),
        (("--judge-set", "modle=x"), "did you mean mode"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl: no such file"),
    ],
)
def test_mistakes_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    shown, opener = run(monkeypatch, tmp_path, blind, *arguments)
    assert shown.exit_code == 1
    assert message in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert opener.opened == []


def test_secrets_in_settings_are_not_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    settings = (
        "--judge-set", "base_url=http://me:hush@127.0.0.1:9/v1",
        "--judge-set", "request={extra_headers: {x: hush}}",
        "--judge-set", "concurrency=3",
    )  # fmt: skip
    shown, _ = run(monkeypatch, tmp_path, blind, "--data", str(data), *settings)
    assert shown.exit_code == 0, shown.output
    text = (tmp_path / "out/judge_check.json").read_text(encoding="utf-8")
    assert "hush" not in text + shown.output
    assert "concurrency=3" in json.loads(text)["command"]
    assert "base_url=http://127.0.0.1:9/v1" in json.loads(text)["command"]
