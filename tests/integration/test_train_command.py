"""`diversity-eval train` as a process: killed and called again, in two processes at once, its exit status."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.runs import make_lively, read_log, write_rows

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("train command")]
ROOT = Path(__file__).parent.parent.parent
TRAIN = ["-m", "diversity_eval", "train"]
STEPS = 24
"""Eight epochs of 20 rows, eight a step, the last of an epoch four."""


class Inputs:
    """A base model and rows, and the options of a run on them."""

    def __init__(self, model: Path, dataset: Path) -> None:
        self.options = [
            "--model", str(model), "--dataset", str(dataset), "--loss", "tofu", "--quantization", "none",
            "--max-length", "96", "--epochs", "8", "--learning-rate", "5e-3", "--warmup-steps", "2",
            "--seed", "1", "--log-steps", "1", "--save-steps", "4", "--json",
        ]  # fmt: skip


@pytest.fixture(scope="module")
def inputs(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("train")
    rows = write_rows(folder / "rows.jsonl")
    return Inputs(make_lively(checkpoint, rows, folder / "base"), rows)


def environment() -> dict[str, str]:
    # One thread, since the order of sums over several is not fixed.
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], env=environment(), capture_output=True, text=True, timeout=600, check=False
    )


def finished(*words: str) -> dict[str, Any]:
    """What a run that ends well prints: one JSON object, whatever the number of its processes."""
    done = run(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return weights


def without_speed(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "tokens_per_second"} for row in log]


@pytest.fixture(scope="module")
def whole(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    result = finished(*TRAIN, *inputs.options, "-o", str(folder))
    assert (result["steps"], result["resumed_from"], result["output"]) == (STEPS, 0, str(folder))
    assert [row["step"] for row in read_log(folder)] == list(range(1, STEPS + 1))
    return folder


def killed(inputs: Inputs, folder: Path) -> int:
    """Kill a run as soon as it has a checkpoint and has gone on from there; the steps it logged."""
    command = [sys.executable, *TRAIN, *inputs.options, "-o", str(folder)]
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log, steps = folder / "log.jsonl", 0
    try:
        until = time.monotonic() + 600
        while time.monotonic() < until:
            steps = log.read_text(encoding="utf-8").count("\n") if log.exists() else 0
            if steps >= 6 and any(folder.glob("checkpoints/*/complete.json")):
                break
            assert process.poll() is None, "the run ended before it was killed"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return steps


def test_a_killed_run_goes_on_as_if_nothing_had_happened(inputs: Inputs, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    steps = killed(inputs, folder)
    assert 6 <= steps < STEPS
    assert not (folder / "adapter_model.safetensors").exists()
    # As if the disk had been full: what the last checkpoint lacks must not be trusted.
    checkpoints = sorted(folder.glob("checkpoints/*"), key=lambda path: int(path.name.split("-")[1]))
    torn = checkpoints[-1] / "adapter_model.safetensors" if len(checkpoints) > 1 else None
    if torn is not None and torn.exists():
        torn.write_bytes(torn.read_bytes()[:-1])
    result = finished(*TRAIN, *inputs.options, "-o", str(folder))
    assert result["steps"] == STEPS
    assert result["resumed_from"] in (4, 8, 12, 16, 20)
    assert result["resumed_from"] <= steps
    assert without_speed(read_log(folder)) == without_speed(read_log(whole))
    expected = adapter(whole)
    assert all(torch.equal(value, expected[name]) for name, value in adapter(folder).items())


@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_two_processes_train_as_one(inputs: Inputs, whole: Path, tmp_path: Path, launcher: str) -> None:
    # On a finished run of the same settings, which is to be replaced: the processes must agree on that.
    folder = Path(shutil.copytree(whole, tmp_path / "out"))
    launch = {
        "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
        "accelerate": [
            "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
            "--mixed_precision", "no", "--dynamo_backend", "no",
        ],
    }[launcher]  # fmt: skip
    options = [*inputs.options, "--accumulation", "2", "--overwrite", "-o", str(folder)]
    result = finished(*launch, *TRAIN, *options)
    assert result["steps"] == STEPS
    log, expected = read_log(folder), read_log(whole)
    assert [row["step"] for row in log] == list(range(1, STEPS + 1)), "one process writes the log"
    assert [row["tokens"] for row in log] == [row["tokens"] for row in expected]
    for key in ("loss", "p_label", "entropy", "grad_norm"):
        assert [row[key] for row in log[:6]] == pytest.approx([row[key] for row in expected[:6]], rel=1e-5)
        assert [row[key] for row in log] == pytest.approx([row[key] for row in expected], rel=1e-2)
    record = json.loads((folder / "diversity_eval.json").read_text(encoding="utf-8"))["training"]
    assert record["results"]["processes"] == 2
    # Both have a random generator to save, and the second nothing else.
    one = {path.name for path in (whole / "checkpoints" / f"checkpoint-{STEPS}").iterdir()}
    two = {path.name for path in (folder / "checkpoints" / f"checkpoint-{STEPS}").iterdir()}
    assert two - one == {"rng_state_0.pth", "rng_state_1.pth"}
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}


def test_passes_that_one_process_loses(inputs: Inputs, whole: Path, tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    options = ["--accumulation", "2", "--max-steps", "3", "-o", str(tmp_path / "out")]
    result = finished(*launch, "-m", "tests.integration.lossy_rank", "train", *inputs.options, *options)
    assert result["steps"] == 3
    assert result["not_finite"] == {"losses": 2, "steps": 0}
    log, expected = read_log(tmp_path / "out"), read_log(whole)
    assert log[0]["loss"] == pytest.approx(expected[0]["loss"], rel=1e-5)
    assert 0 < log[1]["tokens"] < expected[1]["tokens"]
    assert log[1]["loss"] != pytest.approx(expected[1]["loss"], rel=1e-5)
    assert all(bool(torch.isfinite(value).all()) for value in adapter(tmp_path / "out").values())


def test_bad_settings_are_one_line_and_quick(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("model: M\ndataset: alpaca\nlearning_rate: much\n", encoding="utf-8")
    done = run(*TRAIN, "--config", str(tmp_path / "own.yaml"), "-o", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"diversity-eval: error: {tmp_path / 'own.yaml'}: learning_rate = 'much': expected a number\n"
    )


def test_debug_shows_where_it_happened(tmp_path: Path) -> None:
    done = run("-m", "diversity_eval", "--debug", "train", "--model", "M", "-o", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
