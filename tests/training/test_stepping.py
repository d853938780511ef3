"""Going on from a checkpoint of the last step, and several runs that want one folder."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training import run
from diversity_eval.training.output import RECORD_FILE, lock_output
from diversity_eval.training.stepping import run_steps
from tests.training.runs import SharedRuns


def test_a_run_cut_off_while_it_saved_takes_no_step_more(runs: SharedRuns, tmp_path: Path) -> None:
    # In mid-epoch (20 rows, eight a step), with a rate that is not 0 after the last step: one more would
    # show.
    settings = runs.settings(max_steps=4, epochs=9, save_steps=2, schedule="constant", warmup_steps=0)
    folder = tmp_path / "out"
    first = run.train(settings, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    log = (folder / "log.jsonl").read_text(encoding="utf-8")
    (folder / RECORD_FILE).unlink()
    (folder / "adapter_model.safetensors").unlink()
    again = run.train(settings, folder)
    assert first is not None
    assert again is not None
    assert (first.steps, again.steps, again.resumed_from) == (4, 4, 4)
    after = load_file(folder / "adapter_model.safetensors")
    assert weights.keys() == after.keys()
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    assert (folder / "log.jsonl").read_text(encoding="utf-8") == log
    assert again.last_loss == first.last_loss


def test_a_run_that_goes_on_saves_and_logs_as_it_is_told_now(runs: SharedRuns, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run.train(runs.settings(max_steps=6, save_steps=2, log_steps=1), folder)
    (folder / RECORD_FILE).unlink()
    (folder / "checkpoints" / "checkpoint-6" / "complete.json").unlink()
    run.train(runs.settings(max_steps=6, save_steps=1, log_steps=6), folder)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "checkpoint-5",
        "checkpoint-6",
    ]


def raising(error: Exception) -> Callable[..., SimpleNamespace]:
    def train(**_: object) -> SimpleNamespace:
        raise error

    return train


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "lower --batch-size"),
        (OSError(28, "No space left on device"), "out: cannot be written .No space left on device."),
    ],
)
def test_memory_or_disk_that_do_not_suffice_are_one_line(error: Exception, said: str) -> None:
    with pytest.raises(DiversityEvalError, match=said):
        run_steps(SimpleNamespace(train=raising(error)), None, Path("out"))


def test_two_runs_do_not_write_into_one_folder(runs: SharedRuns, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    held = lock_output(folder)
    assert held is not None
    with pytest.raises(DiversityEvalError, match="another run is writing there"):
        run.train(runs.settings(max_steps=1), folder)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    held.close()
    assert run.train(runs.settings(max_steps=1), folder) is not None


def test_places_of_this_machine_are_in_no_card(runs: SharedRuns, tmp_path: Path) -> None:
    folder = tmp_path / "somebody" / "out"
    run.train(runs.settings(max_steps=1), folder)
    model = runs.settings().model
    for name in ("README.md", RECORD_FILE):
        content = (folder / name).read_text(encoding="utf-8").replace(json.dumps(model)[1:-1], "")
        assert "somebody" not in content
        assert str(Path(runs.settings().dataset).parent) not in content
        assert Path(runs.settings().dataset).name in content
