"""The options of `train`, its messages and what it prints; runs themselves are in tests/integration."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from diversity_eval.cli import cli
from diversity_eval.cli.train import train as train_command
from diversity_eval.training import run
from diversity_eval.training.run import TrainResult
from diversity_eval.training.settings import TrainSettings, setting_names

# Two of the tests get as far as the libraries, which tests of the trainer have loaded.
pytestmark = pytest.mark.xdist_group("trainer")


class Trainer:
    """Stands in for the trainer: takes the settings down, and says what it is told to."""

    def __init__(self) -> None:
        self.settings = TrainSettings()
        self.output = Path()
        self.overwrite = False
        self.not_finite = {"losses": 0, "steps": 0}
        self.merged: Path | None = None

    def __call__(self, settings: TrainSettings, output: Path, *, overwrite: bool = False) -> TrainResult:
        self.settings, self.output, self.overwrite = settings, output, overwrite
        return TrainResult(output, 60, 40, 12.3, 2.5, 2.25, 0.125, 1.5, self.not_finite, self.merged)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(run, "train", made)
    return made


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["train", *words])


def refused(*words: str) -> str:
    shown = call(*words)
    assert shown.exit_code == 1
    assert shown.stdout == ""
    (line,) = shown.stderr.splitlines()
    assert line.startswith("diversity-eval: error: ")
    return line.removeprefix("diversity-eval: error: ")


def test_help_has_examples() -> None:
    shown = call("--help")
    assert shown.exit_code == 0
    assert (
        "diversity-eval train --model M --dataset alpaca --loss tofu --gamma 3 --beta 0.8 -o OUT"
        in shown.stdout
    )
    assert "Traceback" not in shown.output


def test_every_setting_has_an_option() -> None:
    options = {str(parameter.name) for parameter in train_command.params}
    named = {"lambda_": "lambda", "loss_parameter": "loss_parameters"}
    assert set(setting_names()) <= {named.get(name, name) for name in options}


def test_the_command_of_the_issue(trainer: Trainer) -> None:
    words = [
        "--model",
        "M",
        "--dataset",
        "alpaca",
        "--loss",
        "tofu",
        "--gamma",
        "3",
        "--beta",
        "0.8",
        "-o",
        "OUT",
    ]
    assert call(*words).exit_code == 0
    assert trainer.settings == TrainSettings(
        model="M", dataset="alpaca", loss="tofu", loss_parameters={"gamma": 3.0, "beta": 0.8}
    )
    assert (trainer.output, trainer.overwrite) == (Path("OUT"), False)


def test_every_option_arrives(trainer: Trainer) -> None:
    words = (
        "--model M --revision r --dataset o/d --dataset-split s --dataset-config c --first-rows 9 "
        "--max-rows 8 --min-score 6.5 --max-length 99 --overlong drop --packing --quantization none "
        "--dtype bfloat16 --lora --lora-rank 2 --lora-alpha 3 --lora-dropout 0.5 --epochs 1.5 "
        "--max-steps 7 --batch-size 5 --accumulation 6 --learning-rate 1e-3 --schedule constant "
        "--warmup-steps 0 --weight-decay 0 --optimizer adamw_torch --max-grad-norm 2 --neftune-alpha "
        "4 --no-gradient-checkpointing --seed 0 --no-fused --save-steps 10 --log-steps 1 --report-to "
        "wandb --report-to tensorboard --strict --merge --loss pr --lambda 0.2 --alpha 1e-3 "
        "--plain-delimiters --no-reasoning -o OUT --overwrite"
    )
    shown = call(*words.split())
    assert shown.exit_code == 0, shown.output
    assert trainer.settings == TrainSettings(
        model="M", revision="r", dataset="o/d", dataset_split="s", dataset_config="c", first_rows=9,
        max_rows=8, min_score=6.5, max_length=99, overlong="drop", packing=True, quantization="none",
        dtype="bfloat16", lora_rank=2, lora_alpha=3, lora_dropout=0.5, epochs=1.5, max_steps=7, batch_size=5,
        accumulation=6, learning_rate=1e-3, schedule="constant", warmup_steps=0,
        weight_decay=0.0, optimizer="adamw_torch", max_grad_norm=2.0, neftune_alpha=4.0,
        gradient_checkpointing=False, seed=0, fused=False, save_steps=10, log_steps=1,
        report_to=("wandb", "tensorboard"), strict=True, merge=True, loss="pr",
        loss_parameters={"lambda": 0.2, "alpha": 1e-3},
    )  # fmt: skip
    assert trainer.overwrite


def configured(tmp_path: Path, text: str, *words: str) -> Result:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return call("--config", str(path), "-o", "OUT", *words)


@pytest.mark.parametrize(
    ("text", "words", "loss", "parameters"),
    [
        ("loss: tofu\ngamma: 2\nbeta: 0.6", "", "tofu", {"gamma": 2.0, "beta": 0.6}),
        ("loss: tofu\ngamma: 2\nbeta: 0.6", "--gamma 5", "tofu", {"gamma": 5.0, "beta": 0.6}),
        (
            "loss: tofu\nloss_parameters: {gamma: 2, beta: 0.6}",
            "--gamma 5",
            "tofu",
            {"gamma": 5.0, "beta": 0.6},
        ),
        ("loss: tofu\ngamma: 2\nbeta: 0.6", "--loss-parameter gamma=5", "tofu", {"gamma": 5.0, "beta": 0.6}),
        (
            "loss: tofu\nloss_parameters: {gamma: 2}",
            "--loss-parameter beta=0.9",
            "tofu",
            {"gamma": 2.0, "beta": 0.9},
        ),
        ("loss: tofu\ngamma: 2\nbeta: 0.6", "--loss tofu", "tofu", {"gamma": 2.0, "beta": 0.6}),
        # gamma 2 was chosen for another loss
        ("loss: tofu\ngamma: 2\nbeta: 0.6", "--loss focal", "focal", {}),
        ("loss: tofu\ngamma: 2\nbeta: 0.6", "--loss gem --beta 0.5", "gem", {"beta": 0.5}),
        ("gamma: 2", "--loss focal", "focal", {"gamma": 2.0}),
    ],
)
def test_the_command_line_goes_over_the_file(
    trainer: Trainer, tmp_path: Path, text: str, words: str, loss: str, parameters: dict[str, float]
) -> None:
    shown = configured(
        tmp_path, f"model: M\ndataset: alpaca\nseed: 5\n{text}\n", *words.split(), "--no-packing"
    )
    assert shown.exit_code == 0, shown.output
    assert (trainer.settings.loss, trainer.settings.loss_parameters) == (loss, parameters)
    assert (trainer.settings.seed, trainer.settings.packing) == (5, False)


def test_switches_go_over_the_file_in_both_directions(trainer: Trainer, tmp_path: Path) -> None:
    text = "model: M\ndataset: alpaca\npacking: true\nfused: false\nquantization: none\n"
    configured(tmp_path, text, "--no-packing", "--fused", "--no-lora", "--seed", "0")
    settings = trainer.settings
    assert (settings.packing, settings.fused, settings.lora, settings.seed) == (False, True, False, 0)


def test_a_shipped_configuration(trainer: Trainer) -> None:
    assert call("--config", "alpaca/tofu", "--model", "M", "-o", "OUT").exit_code == 0
    assert (trainer.settings.loss, trainer.settings.dataset) == ("tofu", "alpaca")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "the command line: says no model; add --model, or `model:` in the configuration"),
        ("--model M", "the command line: says no dataset; add --dataset, or `dataset:` in the configuration"),
        ("--model M --dataset alpaca", "no output folder: add -o FOLDER"),
        (
            "--model M --dataset alpaca --loss toffu -o O",
            "there is no loss 'toffu': expected one of ce, focal",
        ),
        ("--model M --dataset alpaca --gamma 3 -o O", "the loss ce has no parameter 'gamma'; it has: none"),
        ("--model M --dataset alpaca --loss-parameter x -o O", "--loss-parameter x: expected NAME=NUMBER"),
        ("--model M --dataset alpaca --loss-parameter =1 -o O", "--loss-parameter =1: expected NAME=NUMBER"),
        (
            "--model M --dataset alpaca --loss-parameter a=b -o O",
            "--loss-parameter a=b: expected NAME=NUMBER",
        ),
        (
            "--model M --dataset alpaca --quantization int8 -o O",
            "the command line: quantization = 'int8': expected",
        ),
        (
            "--model M --dataset alpaca --lora-rank 0 -o O",
            "the command line: lora_rank = 0: expected 1 or more",
        ),
        (
            "--model M --dataset alpaca --no-lora -o O",
            "the command line: quantised weights cannot be trained",
        ),
        ("--config nowhere.yaml -o O", "configuration nowhere.yaml: no such file"),
    ],
)
def test_a_mistake_is_one_line(words: str, message: str) -> None:
    assert refused(*words.split()).startswith(message)


def test_a_reporter_that_is_not_installed(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is not None:
        pytest.skip("tensorboard is installed here")
    out = tmp_path / "out"
    words = ["--model", "M", "--dataset", "alpaca", "--report-to", "tensorboard", "-o", str(out)]
    said = refused(*words)
    assert said.startswith("report_to tensorboard: cannot be used")
    assert said.endswith("pip install tensorboard")
    assert not out.exists()


def test_data_without_a_usable_row(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "response": " "}\n', encoding="utf-8")
    words = [
        "--model",
        str(checkpoint),
        "--dataset",
        str(tmp_path / "rows.jsonl"),
        "-o",
        str(tmp_path / "out"),
    ]
    said = refused(*words)
    assert "no row can be trained on: 1 rows read, 0 used" in said
    assert not (tmp_path / "out").exists()


def test_a_mistake_names_the_file_and_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("model: M\ndataset: alpaca\n", encoding="utf-8")
    assert refused("--config", str(path), "--seed", "-1", "-o", "O").startswith(
        f"{path} and the command line: seed = -1"
    )
    path.write_text("model: M\ndataset: alpaca\nlora_rnk: 3\n", encoding="utf-8")
    assert refused("--config", str(path), "-o", "O").startswith(
        f"{path}: there is no setting 'lora_rnk'; did you mean"
    )


def printed(*words: str) -> list[str]:
    shown = call("--model", "M", "--dataset", "alpaca", "-o", "OUT", *words)
    assert shown.exit_code == 0, shown.output
    return shown.stdout.splitlines()


def test_what_is_printed(trainer: Trainer) -> None:
    assert printed("--quantization", "none", "--revision", "v2") == [
        "60 steps in 12 s; at the end loss 2.250, mean p of the label 0.125, output entropy 1.50 nats",
        "OUT: adapter, tokenizer, README.md, log.jsonl",
        "  lm_eval --tasks creative --model hf --batch_size 16 "
        "--model_args pretrained=M,revision=v2,peft=OUT,tokenizer=OUT",
    ]
    trainer.not_finite = {"losses": 3, "steps": 1}
    trainer.merged = Path("OUT/merged")
    assert printed("--quantization", "none", "--no-lora")[1:] == [
        "3 forward passes had a loss that is not finite, and did not count",
        "1 steps had no finite loss or gradient, and changed nothing",
        "OUT: model, tokenizer, README.md, log.jsonl",
        "  lm_eval --tasks creative --model hf --batch_size 16 --model_args pretrained=OUT",
        "OUT/merged: the adapter merged into its base",
    ]


def test_an_adapter_on_nf4_is_evaluated_on_nf4(trainer: Trainer) -> None:
    assert printed("--dtype", "float32")[2:] == [
        "  diversity-eval quantize M --dtype float32 -o M-nf4",
        "  lm_eval --tasks creative --model hf --batch_size 16 "
        "--model_args pretrained=M-nf4,peft=OUT,tokenizer=OUT",
    ]


def test_json_is_one_object(trainer: Trainer) -> None:
    shown = call("--model", "M", "--dataset", "alpaca", "-o", "OUT", "--json")
    assert json.loads(shown.stdout) == {
        "output": "OUT", "steps": 60, "resumed_from": 40, "seconds": 12.3, "loss": 2.5, "last_loss": 2.25,
        "last_p_label": 0.125, "last_entropy": 1.5, "not_finite": {"losses": 0, "steps": 0}, "merged": None,
    }  # fmt: skip


def test_a_process_that_is_not_the_first_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(run, "train", nothing)
    shown = call("--model", "M", "--dataset", "alpaca", "-o", "OUT", "--json")
    assert (shown.exit_code, shown.output) == (0, "")


def test_only_the_figure(tmp_path: Path) -> None:
    path = tmp_path / "weights.png"
    shown = call("--plot-weights", str(path), "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == {"figure": str(path)}
    assert path.read_bytes().startswith(b"\x89PNG")
