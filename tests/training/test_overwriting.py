"""What `--overwrite` may delete."""

from dataclasses import replace
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.output import OutputState, open_output, write_settings
from diversity_eval.training.settings import TrainSettings

SETTINGS = TrainSettings(model="m", dataset="alpaca")


def earlier_run(folder: Path) -> Path:
    write_settings(folder, SETTINGS, "digest")
    (folder / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    for name in ("adapter_model.safetensors", "README.md", "diversity_eval.json", "checkpoints/x"):
        (folder / name).write_text("old", encoding="utf-8")
    return folder


def test_it_deletes_what_a_run_wrote_and_keeps_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = earlier_run(tmp_path / "out")
    monkeypatch.chdir(folder)  # even if that is where the user stands
    assert open_output(Path(), SETTINGS, overwrite=True) == OutputState("new", replaces=True)
    write_settings(Path(), SETTINGS, "other", replaces=True)
    assert [path.name for path in folder.iterdir()] == ["settings.json"]


def test_it_refuses_to_lose_a_file_of_somebody_else(tmp_path: Path) -> None:
    folder = earlier_run(tmp_path / "out")
    (folder / "results").mkdir()
    (folder / "results" / "mine.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match="results, which no training run wrote; move it away"):
        open_output(folder, SETTINGS, overwrite=True)
    assert (folder / "results" / "mine.json").exists()


def test_what_came_between_is_not_deleted_either(tmp_path: Path) -> None:
    folder = earlier_run(tmp_path / "out")
    open_output(folder, SETTINGS, overwrite=True)
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    write_settings(folder, SETTINGS, "other", replaces=True)
    assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "settings.json"]


@pytest.mark.parametrize("what", ["model", "dataset"])
def test_it_refuses_to_delete_what_the_run_reads(what: str, tmp_path: Path) -> None:
    folder = earlier_run(tmp_path / "out")
    inside = {"model": folder / "checkpoints", "dataset": folder / "README.md"}[what]
    settings = replace(SETTINGS, **{what: str(inside)})  # type: ignore[arg-type]
    with pytest.raises(DiversityEvalError, match=f"holds the {what} .* that this run needs"):
        open_output(folder, settings, overwrite=True)


def test_going_on_from_the_model_that_the_folder_holds(tmp_path: Path) -> None:
    folder = earlier_run(tmp_path / "out")
    with pytest.raises(DiversityEvalError, match="holds the model"):
        open_output(folder, TrainSettings(model=str(folder), dataset="alpaca"), overwrite=True)


def test_parameters_that_mean_the_same_are_no_other_settings(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_settings(folder, TrainSettings(model="m", dataset="d", loss="pr"), "digest")
    same = {"lambda": 0.1, "alpha": 1e-5}
    again = TrainSettings(model="m", dataset="d", loss="pr", loss_parameters=same)
    assert open_output(folder, again).state == "resume"
    other = TrainSettings(model="m", dataset="d", loss="pr", loss_parameters={"lambda": 0.2})
    with pytest.raises(DiversityEvalError, match="loss_parameters"):
        open_output(folder, other)
