"""`diversity-eval report`: compare checkpoints, and write down what is signal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["report"]

_MEGABYTE = 1_000_000


def _pairs(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (equals and name and rest):
            raise click.BadParameter(f"{value!r} is not of the form {param.metavar}")
        pairs[name] = rest
    return pairs


def _formats(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    from diversity_eval.report.files import FORMATS

    names = tuple(dict.fromkeys(name.strip().lower() for name in (value or "").split(",") if name.strip()))
    if unknown := [name for name in names if name not in FORMATS]:
        raise click.BadParameter(f"no format {unknown[0]!r}; there is {', '.join(FORMATS)}")
    return names


@click.command(
    epilog="Example: diversity-eval report results/base results/ce results/tofu --baseline ce -o report.html",
)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"),
    show_default=True, help="The page; other formats go beside it under the same name.",
)  # fmt: skip
@click.option(
    "--format", "formats", metavar="NAMES", callback=_formats,
    help="html, md, tex, csv, parquet, json, svg, png, model-index; several with commas between them. "
    "By default what the output's ending says.",
)  # fmt: skip
@click.option(
    "--baseline", metavar="NAME",
    help="A run's name, or a loss (ce): then each checkpoint is compared with that loss's of the same model. "
    "By default ce, else base, else the first run.",
)  # fmt: skip
@click.option(
    "--name", "names", multiple=True, metavar="PATH=LABEL", callback=_pairs,
    help="What to call the checkpoint of a run; may be repeated.",
)  # fmt: skip
@click.option(
    "--group", "groups", multiple=True, metavar="NAME=MODEL,MODEL", callback=_pairs,
    help="Add the mean over some models, by patterns (safe=Qwen3*,Phi-4*); may be repeated.",
)  # fmt: skip
@click.option(
    "--published", multiple=True, metavar="DATASET[:MODEL]",
    help="Set the paper's figures beside: alpaca, ultrafeedback, numina_math_cot; may be repeated.",
)  # fmt: skip
@click.option("--protocol", help="Differences between runs that are meant: paper.")
@click.option(
    "--allow", "allowed", multiple=True, metavar="KEY",
    help="A key of the signatures that may differ within a column; may be repeated.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Any difference in how the runs were made is an error.")
@click.option("--title", default="Comparison", show_default=True, help="The report's title.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the resampling.")
@click.option(
    "--resamples", type=click.IntRange(min=100), default=10_000, show_default=True, help="Of the bootstrap."
)
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True,
    help="Of the intervals; differences are tested at one minus it.",
)  # fmt: skip
@click.option(
    "--max-size", type=click.FloatRange(1, 1000), default=20, show_default=True, metavar="MB",
    help="Of the page; responses beyond it go into a file beside.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report's data as one JSON object.")
def report(
    runs: tuple[Path, ...],
    output: Path,
    formats: tuple[str, ...],
    baseline: str | None,
    names: dict[str, str],
    groups: dict[str, str],
    published: tuple[str, ...],
    protocol: str | None,
    allowed: tuple[str, ...],
    strict: bool,
    title: str,
    seed: int,
    resamples: int,
    confidence: float,
    max_size: float,
    as_json: bool,
) -> None:
    """Compare the checkpoints in RUNS: a leaderboard that tells signal from noise.

    RUNS are output folders (or files) of lm_eval and of diversity-eval score, NoveltyBench's leaderboard
    files, and folders above them. Every number gets an interval; differences from the baseline are tested on
    the prompts that both have, and corrected for the size of the table. Results that were made in different
    ways stand in columns of their own, with a warning that names the difference.
    """
    from diversity_eval.report import compare, load_runs
    from diversity_eval.report.files import formats_of, write_report

    chosen = formats or formats_of(output)

    def warn(message: str) -> None:
        click.echo(f"diversity-eval: warning: {message}", err=True)

    def progress(stage: str) -> None:
        click.echo(f"diversity-eval: {stage}", err=True)

    progress("reading")
    loaded = load_runs(runs, names=names, warn=warn)
    comparison = compare(
        loaded, baseline=baseline,
        groups={name: [part.strip() for part in models.split(",")] for name, models in groups.items()},
        protocol=protocol, allowed=allowed, strict=strict, published=published, confidence=confidence,
        alpha=round(1 - confidence, 10), seed=seed, resamples=resamples, warn=warn, progress=progress,
    )  # fmt: skip
    progress("writing")
    written = write_report(
        comparison, output, chosen, title=title, max_bytes=int(max_size * _MEGABYTE), progress=progress
    )
    if as_json:
        click.echo(json.dumps(_data(comparison, title), ensure_ascii=True, allow_nan=False))
        return
    _print(comparison)
    for path in written:
        click.echo(f"{path}")


def _data(comparison: Comparison, title: str) -> dict[str, Any]:
    from diversity_eval.report.document import document

    return document(comparison, title=title)


def _print(comparison: Comparison) -> None:
    """The summary, and the leaderboard's numbers."""
    from diversity_eval.report.summary import better_worse
    from diversity_eval.report.titles import metric_title, task_title

    for sentence in comparison.summary:
        click.echo(click.wrap_text(sentence, 100))
    columns = [column for column in comparison.columns if column.headline] or list(comparison.columns)
    marked = False
    for column in columns:
        title = metric_title(column.metric)
        arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
        variant = f", {column.variant}" if column.variant else ""
        click.secho(f"\n{task_title(column.task)}: {title.title}{arrow}{variant}", bold=True)
        cells = comparison.cells_of(column.key)
        width = max(len(cell.row) for cell in cells)
        for cell in cells:
            star = "*" if cell.best else " "
            marked = marked or cell.best
            low, high = (f"{end:.{title.decimals}f}" for end in (cell.lower, cell.upper))
            interval = f"[{low}, {high}]" if cell.tested else ""
            word = better_worse(column, cell, comparison.settings.alpha)
            against = f"{word} than {cell.difference.other}" if word and cell.difference else ""
            said = "; ".join([*([against] if against else []), *cell.marks])
            value = f"{cell.mean:.{title.decimals}f} ± {cell.std:.{title.decimals}f}"
            click.echo(f"  {cell.row.ljust(width)} {star} {value:>16}  {interval:<18}  {said}".rstrip())
    if marked:
        click.echo("\n* the best, and what cannot be told from it. ± is the standard deviation over prompts.")
