"""`diversity-eval train`: fine-tune a checkpoint with one of the losses under comparison."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from diversity_eval.cli.libraries import quiet_libraries
from diversity_eval.errors import DiversityEvalError

__all__ = ["train"]

_EXAMPLES = """\b
Examples:
  diversity-eval train --model M --dataset alpaca --loss tofu --gamma 3 --beta 0.8 -o OUT
  diversity-eval train --config alpaca/tofu --model M -o OUT
  accelerate launch --num_processes 2 -m diversity_eval train --config FILE.yaml -o OUT
  diversity-eval train --plot-weights weights.png
"""


def _setting(*names: str, **attributes: Any) -> Callable[[Any], Any]:
    """An option that overrides the configuration only if it is given."""
    return click.option(*names, default=None, **attributes)


@click.command(epilog=_EXAMPLES)
@click.option(
    "--config", metavar="FILE|NAME", help="YAML with settings, or a shipped one; options override it."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for adapter or model, card and log."
)
@_setting("--model", help="Hub id or folder of a causal language model.")
@_setting("--revision", help="Branch or commit of a Hub model.")
@_setting("--loss", help="ce, focal, gem, pr, tofu, or MODULE:FUNCTION.  [default: ce]")
@_setting("--gamma", type=float, help="focal, tofu.  [default: 3]")
@_setting("--beta", type=float, help="gem [default: 0.7], tofu [default: 0.8].")
@_setting("--lambda", "lambda_", type=float, help="pr.  [default: 0.1]")
@_setting("--alpha", type=float, help="pr.  [default: 1e-5]")
@click.option("--loss-parameter", multiple=True, metavar="NAME=NUMBER", help="A parameter of another loss.")
@_setting("--dataset", help="alpaca, ultrafeedback, numina_math_cot, a .jsonl file, or ORG/NAME on the Hub.")
@_setting("--dataset-split", help="Split of a Hub data set.  [default: train]")
@_setting("--dataset-config", help="Configuration of a Hub data set.")
@_setting("--first-rows", type=int, help="Read only the first rows of the source.")
@_setting("--max-rows", type=int, help="Train on this many of the usable rows, drawn with the seed.")
@_setting("--min-score", type=float, help="ultrafeedback: least score of a completion.  [default: 7]")
@_setting("--reasoning/--no-reasoning", help="numina_math_cot: delimiters around reasoning and answer.")
@_setting(
    "--special-delimiters/--plain-delimiters", help="Delimiters as tokens of their own.  [default: plain]"
)
@_setting("--max-length", type=int, help="Most tokens of a row.  [default: 2048]")
@_setting("--overlong", help="truncate or drop a response that does not fit.  [default: truncate]")
@_setting("--packing/--no-packing", help="Several rows in one sequence.  [default: no]")
@_setting("--quantization", help="nf4 or none.  [default: nf4]")
@_setting("--dtype", help="auto, bfloat16 or float32.  [default: auto: bfloat16 on CUDA, float32 on a CPU]")
@_setting("--lora/--no-lora", help="Train an adapter, or all weights.  [default: an adapter]")
@_setting("--lora-rank", type=int, help="[default: 16]")
@_setting("--lora-alpha", type=int, help="[default: 16]")
@_setting("--lora-dropout", type=float, help="[default: 0]")
@_setting("--epochs", type=float, help="[default: 1]")
@_setting("--max-steps", type=int, help="Stop after this many optimiser steps.")
@_setting("--batch-size", type=int, help="Rows per device and forward pass.  [default: 2]")
@_setting("--accumulation", type=int, help="Forward passes per optimiser step.  [default: 4]")
@_setting("--learning-rate", type=float, help="[default: 2e-4]")
@_setting("--schedule", help="linear, cosine, constant, constant_with_warmup.  [default: linear]")
@_setting("--warmup-steps", type=int, help="[default: 50]")
@_setting("--weight-decay", type=float, help="[default: 0.01]")
@_setting("--optimizer", help="auto, adamw_torch, adamw_8bit, paged_adamw_8bit.  [default: auto]")
@_setting("--max-grad-norm", type=float, help="[default: 1]")
@_setting("--neftune-alpha", type=float, help="NEFTune's noise.  [default: none]")
@_setting(
    "--gradient-checkpointing/--no-gradient-checkpointing", help="Less memory, more time.  [default: yes]"
)
@_setting("--seed", type=int, help="[default: 3407]")
@_setting("--fused/--no-fused", help="Loss and output layer in chunks, or on all logits.  [default: fused]")
@_setting("--save-steps", type=int, help="Steps between checkpoints to resume from; 0: none.  [default: 200]")
@_setting("--log-steps", type=int, help="[default: 10]")
@_setting("--report-to", multiple=True, help="wandb, tensorboard, ...; may be repeated.")
@_setting(
    "--strict/--no-strict", help="Stop at the first unusable row or non-finite loss.  [default: count them]"
)
@_setting("--merge/--no-merge", help="Also write the adapter merged into its base.")
@click.option("--overwrite", is_flag=True, help="Delete an earlier run in the output folder.")
@click.option("--plot-weights", type=click.Path(path_type=Path), metavar="FILE",
              help="Only draw how the losses scale gradients, to a .png, .svg or .pdf.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def train(
    config: str | None,
    output: Path | None,
    overwrite: bool,
    plot_weights: Path | None,
    as_json: bool,
    loss_parameter: tuple[str, ...],
    **options: Any,
) -> None:
    """Fine-tune MODEL on a data set with a loss, and write a checkpoint that lm_eval can load.

    The defaults are the paper's protocol: QLoRA (NF4, rank 16), one epoch, 8 rows a step, learning rate 2e-4,
    loss on the response only. A run that was cut off goes on where its last checkpoint was when the same
    command is given again.
    """
    if plot_weights is not None:
        from diversity_eval.training.figure import draw_weights

        draw_weights(plot_weights)
        click.echo(json.dumps({"figure": str(plot_weights)}) if as_json else f"Wrote {plot_weights}")
        return
    settings = _settings(config, _given(options, loss_parameter))
    if output is None:
        raise DiversityEvalError("no output folder: add -o FOLDER")
    quiet_libraries()
    from diversity_eval.training.run import train as run_training

    result = run_training(settings, output, overwrite=overwrite)
    if result is None:
        return
    if as_json:
        click.echo(json.dumps({key: _plain(value) for key, value in vars(result).items()}))
        return
    _print(result, settings)


def _given(options: dict[str, Any], loss_parameter: tuple[str, ...]) -> dict[str, Any]:
    values = {name.rstrip("_"): value for name, value in options.items() if value not in (None, ())}
    for each in loss_parameter:
        name, separator, number = each.partition("=")
        try:
            value = float(number)
        except ValueError:
            separator = ""
        if not separator or not name:
            raise DiversityEvalError(f"--loss-parameter {each}: expected NAME=NUMBER")
        values.setdefault("loss_parameters", {})[name] = value
    return values


def _settings(config: str | None, given: dict[str, Any]) -> Any:
    from diversity_eval.training.configurations import read_configuration
    from diversity_eval.training.settings_files import build_settings, overridden

    if config is None:
        return build_settings(given)
    values, path = read_configuration(config)
    where = f"{path} and the command line" if given else str(path)
    return build_settings(overridden(values, given), where)


def _print(result: Any, settings: Any) -> None:
    click.echo(f"{result.steps} steps in {result.seconds:.0f} s", nl=False)
    if result.last_loss is not None:
        click.echo(
            f"; at the end loss {result.last_loss:.3f}, mean p of the label {result.last_p_label:.3f}, "
            f"output entropy {result.last_entropy:.2f} nats",
            nl=False,
        )
    click.echo()
    if count := result.not_finite.get("losses"):
        click.echo(f"{count} forward passes had a loss that is not finite, and did not count")
    if count := result.not_finite.get("steps"):
        click.echo(f"{count} steps had no finite loss or gradient, and changed nothing")
    click.echo(f"{result.output}: {'adapter' if settings.lora else 'model'}, tokenizer, README.md, log.jsonl")
    for line in _evaluation(result, settings):
        click.echo(f"  {line}")
    if result.merged is not None:
        click.echo(f"{result.merged}: the adapter merged into its base")


def _evaluation(result: Any, settings: Any) -> list[str]:
    """Commands that evaluate what was trained: an adapter on NF4 belongs on NF4."""
    lm_eval = "lm_eval --tasks creative --model hf --batch_size 16 --model_args"
    if not settings.lora:
        return [f"{lm_eval} pretrained={result.output}"]
    base, lines = settings.model, []
    revision = f",revision={settings.revision}" if settings.revision else ""
    from diversity_eval.training.checkpoints import is_quantised
    from diversity_eval.training.loading import compute_dtype

    if settings.quantization == "nf4" and not is_quantised(base):
        at = f" --revision {settings.revision}" if settings.revision else ""
        dtype = str(compute_dtype(settings)).removeprefix("torch.")
        base, revision = f"{Path(base).name}-nf4", ""
        lines.append(f"diversity-eval quantize {settings.model}{at} --dtype {dtype} -o {base}")
    adapter = f",peft={result.output},tokenizer={result.output}"
    return [*lines, f"{lm_eval} pretrained={base}{revision}{adapter}"]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
