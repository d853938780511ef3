"""What `diversity-eval score` prints."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diversity_eval.judging.novelty import NoveltyMetric
    from diversity_eval.scoring.score_logs import OneTimeRater, ScoredTask

__all__ = ["print_end", "print_json", "print_task"]


def print_task(task: ScoredTask) -> None:
    """A task's metrics, a line each."""
    from diversity_eval.scoring.reported import COUNTS

    run = task.run
    judged = f", judged as {run.kind}" if task.unscored is not None else ""
    click.secho(f"{run.task}{f' ({run.model})' if run.model else ''}", bold=True)
    responses = "1 response" if run.k == "1" else f"{run.k} responses"
    click.echo(f"{len(run.prompts)} prompts, {responses} to each{judged}")
    header = ("metric", "mean", "standard error", "standard deviation")
    rows, counts = [], []
    for key, value in task.results.items():
        name = key.removesuffix(",none")
        if name.endswith(("_std", "_stderr")):
            continue
        if name in COUNTS:
            counts.append(f"{name}: {value:g}")
        else:
            spread = task.results.get(f"{name}_std,none", "")
            rows.append((name, *map(_cell, (value, task.results[f"{name}_stderr,none"], spread))))
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo(f"  {'   '.join([row[0].ljust(widths[0]), *cells])}")
    click.echo(f"  {', '.join(counts)}\n")


def _cell(value: float | str) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "-"


def print_end(
    tasks: Sequence[ScoredTask], rater: OneTimeRater | None, metric: NoveltyMetric | None, seconds: float
) -> None:
    """Where the ratings came from, and where the results are."""
    if rater is None:
        click.echo("No judge, so quality is not measured; --judge NAME rates the responses.")
    else:
        speed = f", {rater.asked / rater.seconds:.1f} ratings per second" if rater.seconds > 0 else ""
        click.echo(
            f"Ratings by {rater.config.name}: {rater.from_store} from the store, {rater.asked} asked for"
            f"{speed}; kept in {rater.store.path}"
        )
    if metric is not None and not metric.scores_responses:
        click.echo("No reward model, so there is no Utility; --reward NAME scores the responses.")
    for file in dict.fromkeys(task.results_file for task in tasks):
        click.echo(f"Results: {file}")
    for folder in dict.fromkeys(task.leaderboard for task in tasks if task.leaderboard is not None):
        click.echo(f"NoveltyBench's files: {folder}")
    click.echo(f"Done in {seconds:.1f} s.")


def print_json(
    tasks: Sequence[ScoredTask],
    rater: OneTimeRater | None,
    metric: NoveltyMetric | None,
    warnings: Sequence[str],
) -> None:
    """All of it as one JSON object."""
    report = {
        "tasks": [
            {
                "task": task.run.task,
                "model": task.run.model,
                "prompts": len(task.run.prompts),
                "k": task.run.k,
                "results": {key: _json_value(value) for key, value in task.results.items()},
                "unscored": task.unscored.count if task.unscored else None,
                "unknown": dict(task.unknown),
                "leaderboard": str(task.leaderboard) if task.leaderboard is not None else None,
                "results_file": str(task.results_file),
                "sample_log": str(task.sample_log),
            }
            for task in tasks
        ],
        "judge": rater.record() if rater is not None else None,
        "verdicts": str(rater.store.path) if rater is not None else None,
        "novelty_bench": metric.record() if metric is not None else None,
        "warnings": list(warnings),
    }
    click.echo(json.dumps(report))


def _json_value(value: float | str) -> float | str | None:
    """JSON for programs has no nan."""
    return None if isinstance(value, float) and math.isnan(value) else value
