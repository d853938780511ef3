import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.output import (
    CHECKPOINTS,
    RECORD_FILE,
    SETTINGS_FILE,
    open_output,
    write_settings,
)
from diversity_eval.training.resuming import (
    COMPLETE,
    LOG_FILE,
    cut_log,
    drop_torn,
    last_complete,
    mark_complete,
)
from diversity_eval.training.settings import TrainSettings

SETTINGS = TrainSettings(
    model="m", dataset="d", loss="tofu", loss_parameters={"gamma": 3.0}, report_to=("wandb",)
)


def begun(folder: Path, settings: TrainSettings = SETTINGS) -> Path:
    write_settings(folder, settings, "digest")
    return folder


def save(folder: Path, step: int, *, whole: bool = True) -> Path:
    checkpoint = folder / CHECKPOINTS / f"checkpoint-{step}"
    (checkpoint / "part").mkdir(parents=True)
    (checkpoint / "weights.safetensors").write_bytes(b"w" * 100)
    (checkpoint / "part" / "state.json").write_text("{}")
    if whole:
        mark_complete(checkpoint)
    return checkpoint


@pytest.mark.parametrize("made", [False, True])
def test_a_new_folder(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "a" / "b"
    if made:
        folder.mkdir(parents=True)
    for overwrite in (False, True):
        state = open_output(folder, SETTINGS, overwrite=overwrite)
        assert (state.state, state.checkpoint, state.step, state.replaces) == ("new", None, 0, False)
    assert folder.exists() == made


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    begun(tmp_path)
    state = open_output(tmp_path, SETTINGS)
    assert (state.state, state.checkpoint, state.step) == ("resume", None, 0)
    for step in (4, 12, 8):
        save(tmp_path, step)
    state = open_output(tmp_path, SETTINGS)
    assert (state.state, state.step) == ("resume", 12)
    assert state.checkpoint == tmp_path / CHECKPOINTS / "checkpoint-12"
    write_settings(tmp_path, SETTINGS, "digest")
    assert open_output(tmp_path, SETTINGS) == state


def test_a_settings_file_that_was_being_written_is_nothing(tmp_path: Path) -> None:
    (tmp_path / f".{SETTINGS_FILE}.77-ab.part").write_text("{")
    assert open_output(tmp_path, SETTINGS).state == "new"


def test_a_finished_run(tmp_path: Path) -> None:
    begun(tmp_path)
    save(tmp_path, 4)
    (tmp_path / RECORD_FILE).write_text("{}")
    assert open_output(tmp_path, SETTINGS).state == "finished"
    state = open_output(tmp_path, SETTINGS, overwrite=True)
    assert (state.state, state.checkpoint, state.replaces) == ("new", None, True)
    assert (tmp_path / RECORD_FILE).exists(), "looking deletes nothing"


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        (COMPLETE, remove),
        (COMPLETE, shorten),
        ("weights.safetensors", remove),
        ("weights.safetensors", shorten),
        ("weights.safetensors", lengthen),
        ("part/state.json", remove),
    ],
)
def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, name: str, harm: Any) -> None:
    begun(tmp_path)
    save(tmp_path, 4)
    torn = save(tmp_path, 8)
    assert open_output(tmp_path, SETTINGS).step == 8
    if (name, harm) == (COMPLETE, shorten):
        (torn / COMPLETE).write_text('{"step": 8, "files"')
    else:
        harm(torn / name)
    assert open_output(tmp_path, SETTINGS).step == 4
    drop_torn(tmp_path / CHECKPOINTS, 4)
    assert [path.name for path in (tmp_path / CHECKPOINTS).iterdir()] == ["checkpoint-4"]


@pytest.mark.parametrize(
    "content", ["[]", "null", '{"step": 8}', '{"step": 8, "files": 3}', '{"step": 4, "files": {}}']
)
def test_a_mark_that_says_nothing(tmp_path: Path, content: str) -> None:
    checkpoint = save(tmp_path, 8)
    (checkpoint / COMPLETE).write_text(content)
    assert last_complete(tmp_path / CHECKPOINTS) is None


def test_names_that_are_no_checkpoints(tmp_path: Path) -> None:
    for name in ("checkpoint-", "checkpoint-x", "checkpoint-0", "checkpoint-٣", "other-9"):
        (tmp_path / name).mkdir()
        mark_complete(tmp_path / name)
    assert last_complete(tmp_path) is None
    assert last_complete(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"learning_rate": 1e-3},
            "learning_rate was 0.0002 and is 0.001; choose another folder, or --overwrite",
        ),
        (
            {"loss_parameters": {"gamma": 2.0}},
            "loss_parameters was {'gamma': 3.0} and is {'gamma': 2.0}; choose",
        ),
        ({"seed": 1, "loss": "ce"}, "loss was 'tofu' and is 'ce' (and seed); choose"),
        ({"max_steps": 3}, "max_steps was None and is 3; choose"),
        ({"fused": False}, "fused was True and is False; choose"),
    ],
)
def test_a_run_with_other_settings(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    begun(tmp_path)
    save(tmp_path, 4)
    with pytest.raises(DiversityEvalError) as caught:
        open_output(tmp_path, replace(SETTINGS, **change))
    assert str(caught.value).startswith(f"{tmp_path}: holds a run with other settings: {message}")
    assert open_output(tmp_path, replace(SETTINGS, **change), overwrite=True).replaces


def test_settings_that_change_no_weight_may_differ(tmp_path: Path) -> None:
    begun(tmp_path)
    other = replace(SETTINGS, save_steps=3, log_steps=1, report_to=(), strict=True, merge=True)
    assert open_output(tmp_path, other).state == "resume"


def test_a_run_on_other_data(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(DiversityEvalError, match="on other data or with another tokenizer"):
        write_settings(tmp_path, SETTINGS, "another")
    write_settings(tmp_path, SETTINGS, "another", replaces=True)
    assert json.loads((tmp_path / SETTINGS_FILE).read_text())["encoded_rows_sha256"] == "another"


def test_replacing_deletes_the_earlier_run(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    save(folder, 4)
    (folder / LOG_FILE).write_text("{}")
    write_settings(folder, SETTINGS, "digest", replaces=True)
    assert [path.name for path in folder.iterdir()] == [SETTINGS_FILE]


@pytest.mark.parametrize("content", [None, "{}", "[1]", "{", '{"editor.fontSize": 12}', "[" * 5000])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    if content is not None:
        (tmp_path / SETTINGS_FILE).write_text(content)
    for overwrite in (False, True):
        with pytest.raises(DiversityEvalError, match="is not empty, and holds no training run"):
            open_output(tmp_path, SETTINGS, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").exists()


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiversityEvalError, match="file: is a file; expected a folder, or a new name"):
        open_output(tmp_path / "file", SETTINGS)
    with pytest.raises(DiversityEvalError, match=r"out: cannot be written \(.*file is a file\)"):
        open_output(tmp_path / "file" / "run" / "out", SETTINGS)
    with pytest.raises(DiversityEvalError, match="cannot be written"):
        write_settings(tmp_path / "file" / "out", SETTINGS, "digest")


def test_a_place_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever runs tests may be allowed everything.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DiversityEvalError, match=r"out: cannot be written \(no permission to write in "):
        open_output(tmp_path / "out", SETTINGS)


def test_the_log_forgets_what_will_be_logged_again(tmp_path: Path) -> None:
    cut_log(tmp_path, 3)  # there is none
    rows = [json.dumps({"step": step, "loss": 1.0}) for step in (1, 2, 3, 4)]
    torn = '{"step": 5, "lo'
    (tmp_path / LOG_FILE).write_text("\n".join([*rows[:2], "[]", '{"loss": 1}', "null", *rows[2:], torn]))
    cut_log(tmp_path, 3)
    assert (tmp_path / LOG_FILE).read_text() == "".join(row + "\n" for row in rows[:3])
    cut_log(tmp_path, 0)
    assert (tmp_path / LOG_FILE).read_text() == ""
