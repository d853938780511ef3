"""Output folders: whole or not at all, and never over something else."""

import os
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.checkpoints.folders import copy_files, new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_there_until_the_end(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a" / "out", overwrite=False, inputs=[]) as part:
        (part / "config.json").write_text("{}")
        assert not (tmp_path / "a" / "out").exists()
    assert names(tmp_path / "a") == ["out"]
    assert names(tmp_path / "a" / "out") == ["config.json"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.json").write_text("old")

    def interrupted() -> None:
        with new_folder(out, overwrite=True, inputs=[]) as part:
            (part / "config.json").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (out / "config.json").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_overwriting_replaces_all_of_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"):
        (out / name).write_text("old")
    with (
        pytest.raises(DiversityEvalError, match=r"is not empty.*--overwrite"),
        new_folder(out, overwrite=False, inputs=[]),
    ):
        pytest.fail("began to write")
    with new_folder(out, overwrite=True, inputs=[]) as part:
        (part / "model.safetensors").write_text("new")
    assert names(out) == ["model.safetensors"]


@pytest.mark.parametrize("foreign", ["thesis.tex", "photos/"])
def test_other_people_s_files_are_never_deleted(foreign: str, tmp_path: Path) -> None:
    if foreign.endswith("/"):
        (tmp_path / foreign).mkdir()
    else:
        (tmp_path / foreign).write_text("years of work")
    wanted = f"holds {foreign.strip('/')}, which is no part of a checkpoint"
    with pytest.raises(DiversityEvalError, match=wanted), new_folder(tmp_path, overwrite=True, inputs=[]):
        pytest.fail("began to write")


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    source = tmp_path / "models" / "base"
    source.mkdir(parents=True)
    (tmp_path / "link").symlink_to(source)
    for output in (source, tmp_path / "models", tmp_path / "link", tmp_path / "models" / "x" / ".." / "base"):
        with (
            pytest.raises(DiversityEvalError, match="holds what is being read"),
            new_folder(output, overwrite=True, inputs=[source]),
        ):
            pytest.fail("began to write")
    with new_folder(source / "nf4", overwrite=False, inputs=[source]):
        pass
    assert names(source) == ["nf4"]


def test_a_file_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for output, says in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "out", "cannot be written")):
        with pytest.raises(DiversityEvalError, match=says), new_folder(output, overwrite=True, inputs=[]):
            pytest.fail("began to write")


def test_weights_are_as_readable_as_other_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with new_folder(tmp_path / "out", overwrite=False, inputs=[]) as part:
            (part / "model.safetensors").write_text("x")
            (part / "model.safetensors").chmod(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_copying_takes_the_files_that_match_and_no_folders(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    (source / "LICENSE_of_parts").mkdir(parents=True)
    for name in ("LICENSE", "LICENSE.md", "license", "config.json"):
        (source / name).write_text(name)
    assert copy_files(source, ("LICENSE*",), target) == ["LICENSE", "LICENSE.md"]
    assert names(target) == ["LICENSE", "LICENSE.md"]
