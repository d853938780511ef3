"""What doctor says of this environment (tests/integration/test_wheel.py asks it about an installed wheel)."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from diversity_eval.cli.doctor import doctor
from tests.judging.faulty_judge import FaultyJudge, running
from tests.judging.novelty.models import build_classifier, build_reward_model


def report(*arguments: str) -> tuple[int, dict[str, Any]]:
    shown = CliRunner().invoke(doctor, [*arguments, "--json"])
    return shown.exit_code, json.loads(shown.output)


def test_what_is_installed_and_where_data_would_come_from(data_folder: Path) -> None:
    code, found = report("--model", "hf", "--tasks", "short_stories,creative")
    assert code == 0, found["problems"]
    assert found["versions"]["lm_eval"] is not None
    assert {"short_stories", "small_prompts_base_512"} <= set(found["tasks"])
    assert str(data_folder) in found["data"]["short_stories"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tasks", "short_storys"), "short_storys"),
        (("--model", "hff"), "hff"),
        (("--judge", "small-locl"), "did you mean small-local?"),
        (("--judge", "llama-3.1-70b-vllm"), "judge llama-3.1-70b-vllm: vllm missing"),
    ],
)
def test_what_was_asked_for_and_cannot_work(arguments: tuple[str, ...], message: str) -> None:
    code, found = report(*arguments)
    assert code == 1
    assert message in " ".join(found["problems"])


def test_a_task_whose_data_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVERSITY_EVAL_DATA", str(tmp_path))
    for asked in ("short_stories", "creative", "short_stories_base_256"):
        code, found = report("--tasks", asked)
        assert code == 1
        assert "short_stories.parquet" in " ".join(found["problems"])


def test_a_data_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVERSITY_EVAL_DATA", str(tmp_path / "nowhere"))
    code, found = report()
    assert code == 1
    assert "no such folder" in " ".join(found["problems"])


def test_the_readable_form_names_the_same_things(data_folder: Path) -> None:
    shown = CliRunner().invoke(doctor, []).output
    for wanted in ("Versions", "lm_eval", "short_stories", "DIVERSITY_EVAL_DATA", "semantic"):
        assert wanted in shown


def test_a_task_of_lm_eval_s_own_is_no_problem(data_folder: Path) -> None:
    code, found = report("--tasks", "hellaswag,creative")
    assert code == 0, found["problems"]


def test_a_judge_that_works_and_servers_that_do_and_do_not(tmp_path: Path, judge_checkpoint: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"backend: transformers\nmodel: {judge_checkpoint}\n", encoding="utf-8")
    assert report("--judge", str(own))[1]["problems"] == []
    with running(FaultyJudge()) as server:
        own.write_text(f"backend: server\nmodel: m\nbase_url: {server.url}\nretries: 1\n", encoding="utf-8")
        assert report("--judge", str(own))[1]["problems"] == []
    code, found = report("--judge", str(own))
    assert code == 1
    assert "is out of reach" in found["problems"][0]


def test_novelty_bench_needs_its_classifier(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, found = report("--tasks", "small_prompts,novelty_bench")
    assert code == 1
    assert "classifier novelty-bench" in found["problems"][0]
    assert "HF_HUB_OFFLINE" in found["problems"][0]
    assert report("--tasks", "novelty_bench", "--classifier", "none")[0] == 0
    assert report("--tasks", "novelty_bench", "--classifier", "exact", "--reward", "none")[0] == 0
    build_classifier(tmp_path / "classifier")
    build_reward_model(tmp_path / "reward")
    (tmp_path / "c.yaml").write_text("test: classifier\nmodel: classifier\n")
    (tmp_path / "r.yaml").write_text("backend: transformers\nmodel: reward\n")
    own = ("--classifier", str(tmp_path / "c.yaml"), "--reward", str(tmp_path / "r.yaml"))
    assert report("--tasks", "novelty_bench", *own)[1]["problems"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--classifier", "exactly"), "did you mean exact?"),
        (("--classifier", "judge"), "is out of reach"),
        (("--reward", "skywork"), "reward model 'skywork' is neither"),
        (("--reward", "skywork-27b-server"), "is out of reach"),
    ],
)
def test_novelty_judges_that_cannot_work(arguments: tuple[str, ...], message: str) -> None:
    code, found = report(*arguments)
    assert code == 1
    assert message in " ".join(found["problems"])
