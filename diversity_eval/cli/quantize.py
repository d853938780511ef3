"""`diversity-eval quantize`: a checkpoint in NF4 that others can load."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["quantize"]


@click.command(epilog="Example: diversity-eval quantize meta-llama/Llama-3.1-8B -o llama-3.1-8b-nf4")
@click.argument("model")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the checkpoint."
)
@click.option("--revision", help="Branch or commit of a Hub model.")
@click.option(
    "--dtype", type=click.Choice(["bfloat16", "float16", "float32"]), default="bfloat16", show_default=True,
    help="Of what stays unquantised, and of the computation.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a checkpoint in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def quantize(
    model: str, output: Path, revision: str | None, dtype: str, overwrite: bool, as_json: bool
) -> None:
    """Write a language model with its linear layers in 4 bits (NF4, double quantisation).

    MODEL is a folder or a Hub id. The checkpoint carries its quantization_config and its tokenizer, so that

        lm_eval --model hf --model_args pretrained=FOLDER

    loads it, alone or with an adapter that was trained on it (peft=ADAPTER). The error of the weights is
    measured and written into its card. Needs no GPU.
    """
    from diversity_eval.training.checkpoints import quantize as write

    report = write(model, output, revision=revision, dtype=dtype, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(report.as_record(), indent=2))
        return
    share = report.quantised_parameters / report.parameters
    error = report.error
    click.echo(
        f"{report.output}: {report.matrices} matrices, {share:.1%} of {report.parameters:,} weights, in "
        f"NF4; {report.bytes_before / 1e6:,.1f} MB became {report.bytes_after / 1e6:,.1f} MB"
    )
    click.echo(
        f"Error: {error.relative:.4f} of the weights' norm, {error.mean_absolute:.3g} a weight on average; "
        f"most in {error.worst} ({error.worst_relative:.4f})"
    )
    click.echo(f"Evaluate it: lm_eval --model hf --model_args pretrained={report.output} --tasks ...")
