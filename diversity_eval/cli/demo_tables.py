"""What `diversity-eval demo` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from diversity_eval.demo.comparison import COLUMNS, SIGNIFICANT
from diversity_eval.demo.evaluation import TASKS, shown_command
from diversity_eval.demo.run import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from diversity_eval.demo.comparison import Difference
    from diversity_eval.demo.evaluation import Evaluation
    from diversity_eval.demo.run import DemoResult, DemoRun
    from diversity_eval.training.run import TrainResult

__all__ = ["print_commands", "print_responses", "print_table", "print_training", "report"]

_SHOWN_RESPONSES = 4
_NAME_WIDTH, _CELL_WIDTH = 12, 18


def print_commands(run: DemoRun, model: Path) -> None:
    """What will be run, as a user can type it."""
    if run.adapters:
        click.echo(
            f"\nIt is fine-tuned on {run.row_count} answered prompts ({run.rows}), once with each loss:"
        )
        for arguments in run.training_commands(model).values():
            click.echo(f"  {shown_command('diversity-eval', arguments)}")
    click.echo(f"\n{'All versions are' if run.adapters else 'It is'} evaluated by lm-eval itself:")
    for arguments in run.evaluation_commands(model).values():
        click.echo(f"  {shown_command('lm_eval', arguments)}")
    click.echo()


def print_training(trained: Mapping[str, TrainResult]) -> None:
    """A line for each fine-tuning, with what can be compared between losses."""
    for name, result in trained.items():
        click.echo(f"{name}: {result.steps} steps in {result.seconds:.0f} s", nl=False)
        if result.last_p_label is not None and result.last_entropy is not None:
            click.echo(f"; at the end mean p of the label {result.last_p_label:.3f}", nl=False)
            click.echo(f", output entropy {result.last_entropy:.2f} nats", nl=False)
        click.echo()


def print_table(
    evaluations: Mapping[str, Evaluation], differences: Sequence[Difference], num_samples: int
) -> None:
    """Versions by metrics, for each task; then how the fine-tuned versions differ from each other."""
    by_place = {(each.task, each.version, each.reference, each.metric): each for each in differences}
    pairs = dict.fromkeys((each.version, each.reference) for each in differences if each.reference != BASE)
    click.secho(f"\n{num_samples} responses to each prompt; mean over prompts (standard error)", bold=True)
    click.echo(" " * _NAME_WIDTH + "".join(name.rjust(_CELL_WIDTH - 1) + " " for name in COLUMNS))
    for task, title in TASKS.items():
        click.secho(f"{title} ({len(evaluations[BASE].runs[task].prompts)} prompts)", bold=True)
        for name, evaluation in evaluations.items():
            cells = []
            for metric in COLUMNS:
                found = by_place.get((task, name, BASE, metric))
                value, error = evaluation.value(task, metric), evaluation.value(task, metric, "_stderr")
                cells.append(_cell(value, error, found))
            _print_row(name, cells)
        for version, reference in pairs:
            found_all = [by_place[task, version, reference, metric] for metric in COLUMNS]
            _print_row(
                f"{version} - {reference}",
                [_cell(each.difference, each.standard_error, each, sign="+") for each in found_all],
            )
    click.echo(
        "self_bleu, compression_ratio: lower is more diverse; "
        "distinct_2, unique_fraction: higher is more diverse"
    )
    if differences:
        _print_hint(differences)


def _print_row(name: str, cells: Sequence[str]) -> None:
    click.echo(f"  {name}".ljust(_NAME_WIDTH) + "".join(cell.rjust(_CELL_WIDTH) for cell in cells))


def _cell(value: float | None, error: float | None, difference: Difference | None, sign: str = "") -> str:
    """A value with its standard error, and a star if the difference is significant."""
    if value is None:
        return "- "
    text = f"{value:{sign}.2f}" + (f" ({error:.2f})" if error is not None else "")
    return text + ("*" if difference is not None and difference.significant else " ")


def _print_hint(differences: Sequence[Difference]) -> None:
    marked, count = sum(each.significant for each in differences), len(differences)
    against = "from base (a row of differences: from 0)" if _between(differences) else "from base"
    click.echo(
        f"* differs {against}: p < {SIGNIFICANT} in a paired test over the prompts. {marked} of {count} "
        f"comparisons are marked;\n  noise alone would mark about {SIGNIFICANT * count:.1f}."
    )
    click.echo(
        "A model of this size, trained once with each loss, shows how to compare, not which loss is better."
    )


def _between(differences: Sequence[Difference]) -> bool:
    return any(each.reference != BASE for each in differences)


def print_responses(evaluations: Mapping[str, Evaluation]) -> None:
    """The first opening with the first responses of each version."""
    stories = {name: evaluation.runs["demo_stories"].prompts[0] for name, evaluation in evaluations.items()}
    click.secho("\nOne opening, and how each version goes on", bold=True)
    click.echo(f"  {stories[BASE].prompt}")
    for name, prompt in stories.items():
        click.echo(f"  {name}")
        for response in prompt.responses[:_SHOWN_RESPONSES]:
            click.echo(f"   - {' '.join(response.split()) or '(empty)'}")


def report(
    run: DemoRun, model: Path, result: DemoResult, differences: Sequence[Difference], skipped: str
) -> dict[str, Any]:
    """All of it as one object for programs, with None for what is not a number."""
    training, evaluation = run.training_commands(model), run.evaluation_commands(model)
    versions: dict[str, Any] = {}
    for name, each in result.evaluations.items():
        versions[name] = {
            "checkpoint": str(run.adapters.get(name, model)),
            "evaluation": shown_command("lm_eval", evaluation[name]),
            "results_file": str(each.results_file),
            "results": each.results,
        }
        if name in result.trained:
            versions[name]["training"] = {
                "command": shown_command("diversity-eval", training[name]),
                **{key: _plain(value) for key, value in vars(result.trained[name]).items()},
            }
    return {
        "versions": versions,
        "differences": [{**vars(each), "significant": each.significant} for each in differences],
        "not_fine_tuned": skipped or None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | dict | None) else str(value)
