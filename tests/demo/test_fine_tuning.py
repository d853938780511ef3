"""The demo's fine-tuning set, and that the commands it shows are what it runs."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from diversity_eval.cli.train import train as train_command_line
from diversity_eval.demo.corpus import sample_answer, sample_story
from diversity_eval.demo.documents import prompt_documents, story_documents
from diversity_eval.demo.fine_tuning import (
    LOSSES,
    ROWS_FILE,
    check_folder,
    fine_tuning_rows,
    missing_libraries,
    train_command,
    train_version,
    write_rows,
)
from diversity_eval.errors import DiversityEvalError

MODEL = Path("cache/demo-model-0123")


def test_the_rows_are_always_the_same_and_leave_random_state_alone() -> None:
    random.seed(1)
    before = random.getstate()
    rows = fine_tuning_rows()
    assert rows == fine_tuning_rows()
    assert random.getstate() == before
    assert len(rows) == 400
    assert all(set(row) == {"prompt", "response"} and row["prompt"] and row["response"] for row in rows)


def test_the_demo_s_prompts_are_held_out() -> None:
    prompts = "\n".join(row["prompt"] for row in fine_tuning_rows())
    assert not [row["id"] for row in story_documents()[0] if row["prompt"] in prompts]
    assert not [row["id"] for row in prompt_documents()[0] if row["instruction"] in prompts]


def test_fewer_lines_are_fewer_kinds_of_answers_and_endings() -> None:
    rng = random.Random(0)
    names = [a for q, a in (sample_answer(rng, answer_lines=1) for _ in range(2000)) if "a name for" in q]
    assert len(names) > 20
    assert all(name.startswith("You could call it ") for name in names)
    assert "will never forget" in " ".join(sample_story(rng).ending for _ in range(1000))
    assert "will never forget" not in " ".join(sample_story(rng, ending_lines=3).ending for _ in range(1000))


def test_the_written_file_holds_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "new" / ROWS_FILE
    assert write_rows(path) == 400
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == fine_tuning_rows()


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match=r"cannot be written .*--output"):
        write_rows(tmp_path / "file" / ROWS_FILE)


@pytest.mark.parametrize("name", LOSSES)
def test_the_command_shown_is_what_is_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    runs: list[Any] = []

    def record(settings: Any, output: Path, *, overwrite: bool = False) -> Any:
        runs.append((settings, output, torch.get_num_threads()))
        raise DiversityEvalError("stop here")

    monkeypatch.setattr("diversity_eval.training.run.train", record)
    threads = torch.get_num_threads()
    folder = tmp_path / "adapter"
    with pytest.raises(DiversityEvalError, match="stop here"):
        train_version(name, MODEL, tmp_path / ROWS_FILE, folder)
    assert torch.get_num_threads() == threads
    arguments = train_command(name, MODEL, tmp_path / ROWS_FILE, folder)
    assert arguments[0] == "train"
    CliRunner().invoke(train_command_line, arguments[1:])
    (settings, output, used), (shown, shown_output, _) = runs
    assert (settings, output) == (shown, shown_output)
    assert used == 1
    assert settings.loss == name
    assert not settings.loss_parameters or settings.loss_parameters == {"gamma": 3.0, "beta": 0.8}


def test_the_losses_differ_in_nothing_else() -> None:
    commands = [" ".join(train_command(name, MODEL, Path("rows.jsonl"), Path("out"))) for name in LOSSES]
    assert len({re.sub(r" --(loss|gamma|beta) \S+", "", command) for command in commands}) == 1
    assert len(set(commands)) == len(LOSSES)


def settings_in(folder: Path, **settings: str) -> Path:
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def test_only_the_demo_s_own_versions_are_replaced(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")
    check_folder(settings_in(tmp_path / "own", model="/c/demo-model-77", dataset=f"x/{ROWS_FILE}"))

    foreign = [
        settings_in(tmp_path / "a", model="org/model", dataset=f"x/{ROWS_FILE}"),
        settings_in(tmp_path / "b", model="/c/demo-model-77", dataset="alpaca"),
        settings_in(tmp_path / "c"),
        tmp_path / "letters",
        tmp_path / "file",
        tmp_path / "broken",
    ]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("Dear Mia", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "settings.json").write_text("[" * 100_000, encoding="utf-8")
    for folder in foreign:
        with pytest.raises(DiversityEvalError, match=f"{folder.name}: holds something .*--output"):
            check_folder(folder)
    assert (tmp_path / "letters" / "letter.txt").read_text(encoding="utf-8") == "Dear Mia"


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_libraries() == ""
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, package=None: None if name == "trl" else name
    )
    assert re.search(r"trl.*diversity-eval\[train\]", missing_libraries())
