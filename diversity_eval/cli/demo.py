"""`diversity-eval demo`: the main job on an embedded default."""

import json
import shlex
import time
from pathlib import Path

import click

__all__ = ["demo"]


@click.command(epilog="Example: diversity-eval demo --output demo-results --num-samples 20")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-results"),
    show_default=True, help="Folder for the fine-tuned versions, the results and the responses.",
)  # fmt: skip
@click.option(
    "--num-samples", type=click.IntRange(min=2), default=10, show_default=True, help="Responses a prompt."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def demo(output: Path, num_samples: int, as_json: bool) -> None:
    """Fine-tune a tiny built-in model with two losses, evaluate all versions with lm_eval, compare.

    Trains the base model at the first call (less than a minute on two cores), runs the commands that it
    prints, and ends with a report to open in a browser. Needs no network and no GPU, but the extras `hf` and
    `train`; without `train` it evaluates the base model alone.
    """
    from diversity_eval.cli.demo_tables import (
        print_commands,
        print_responses,
        print_table,
        print_training,
        report,
    )
    from diversity_eval.cli.libraries import quiet_libraries
    from diversity_eval.demo.comparison import differences
    from diversity_eval.demo.fine_tuning import missing_libraries
    from diversity_eval.demo.model import demo_model
    from diversity_eval.demo.reporting import report_command, write_demo_report
    from diversity_eval.demo.run import DemoRun

    started = time.monotonic()
    quiet_libraries()
    missing = missing_libraries()
    run = DemoRun(output, num_samples, fine_tune=not missing)
    if not as_json:
        click.echo("A tiny model that has read a few thousand made-up stories (built once, then kept):")
    model = demo_model()
    if missing:
        click.echo(f"Only the base model is evaluated: {missing}", err=True)
    if not as_json:
        click.echo(f"  {model}")
        print_commands(run, model)
    result = run.carry_out(model)
    found = differences(result.evaluations)
    page = write_demo_report(result.evaluations, output)
    if as_json:
        click.echo(json.dumps({**report(run, model, result, found, missing), "report": str(page)}))
        return
    command = report_command(output)
    print_training(result.trained)
    print_table(result.evaluations, found, num_samples)
    print_responses(result.evaluations)
    click.echo(f"\nEvery metric, its signature and every response: {output / 'evaluations'}")
    click.echo(f"The report, to open in a browser: {page}\n  {shlex.join(['diversity-eval', *command])}")
    click.echo(f"Done in {time.monotonic() - started:.0f} s.")
