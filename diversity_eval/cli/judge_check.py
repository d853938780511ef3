"""`diversity-eval judge-check`: whether a judge sees what it must see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diversity_eval.judging.check import CaseSet, Check, CheckFiles
    from diversity_eval.judging.config import JudgeConfig

__all__ = ["judge_check"]

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@click.command(
    "judge-check",
    epilog="Example: diversity-eval judge-check --judge small-local -o judge-check-results",
)
@click.option("--judge", required=True, help="A judge's name, or the path of its YAML.")
@click.option(
    "--judge-set", "judge_set", multiple=True, metavar="KEY=VALUE",
    help="Replace a key of the judge's YAML; may be repeated.",
)  # fmt: skip
@click.option(
    "--data", multiple=True, type=click.Path(path_type=Path),
    help="Responses to use instead of reference texts: sample logs, JSONL, CSV, Parquet; may be repeated.",
)  # fmt: skip
@click.option("--kind", help="Kind of task: with --data, of all its responses; else which texts to use.")
@click.option("--human", metavar="COLUMN", help="Field of --data with human or reference ratings.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True,
    help="Prompts of each kind, or of each run in --data.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is drawn."
)
@click.option("--modes", is_flag=True, help="Also compare the judge's modes, generate and rate.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=Path("judge-check-results"),
    show_default=True, help="Folder for table, figure, ratings and the store of verdicts.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def judge_check(
    judge: str,
    judge_set: tuple[str, ...],
    data: tuple[Path, ...],
    kind: str | None,
    human: str | None,
    limit: int,
    seed: int,
    modes: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Check whether a judge is any good.

    Real responses are rated, and the same ones degraded in known ways: words shuffled, another prompt's
    response, the last half from elsewhere, a sentence ten times, empty; and cut off, which must not cost
    points. Reports how often the original is rated above, where on the scale ratings lie, and whether the
    judge repeats itself, agrees with itself in its other mode (--modes) and with people (--human).

    Without --data, the responses are the endings of Short Stories and outputs of Alpaca. Exits with status 1
    if more than 5 % of the ratings could not be had.
    """
    from diversity_eval.cli.judge_options import command_line, judge_setting
    from diversity_eval.judging import backends
    from diversity_eval.judging.check import add_other_mode, run_check, write_check
    from diversity_eval.judging.check.page import page
    from diversity_eval.judging.config import load_judge

    def warn(message: str) -> None:
        click.echo(f"diversity-eval: warning: {message}", err=True)

    if human is not None and not data:
        raise DiversityEvalError("--human names a field of --data; add --data FILE")
    config = load_judge(judge, dict(map(judge_setting, judge_set)))
    sets = _case_sets(config, data, kind=kind, human=human, limit=limit, seed=seed, warn=warn)
    cases = [case for found in sets for case in found.cases]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiversityEvalError(f"{output}: the folder cannot be made ({error.strerror})") from None
    command = command_line(click.get_current_context())
    try:
        check = run_check(config, cases, output, seed=seed, open_with=backends.open_backend)
        files = write_check(check, sets, output, command=command, warn=warn)
        if modes:
            # What has been found out is on disk already, should the other mode fail.
            check = add_other_mode(check, output, open_with=backends.open_backend)
            files = write_check(check, sets, output, command=command, warn=lambda message: None)
    except KeyboardInterrupt:
        click.echo(
            f"diversity-eval: interrupted; the verdicts so far are kept in {output}, and the same command "
            "goes on from there",
            err=True,
        )
        raise SystemExit(_INTERRUPTED) from None
    if as_json:
        click.echo(json.dumps({**files.summary, "files": _names(files)}))
    else:
        click.echo(page(check, sets, explained=False))
        click.echo(f"Written: {', '.join(_names(files).values())}")
    _fail_if_unscored(check, output, warn)


def _case_sets(
    config: JudgeConfig,
    data: Sequence[Path],
    *,
    kind: str | None,
    human: str | None,
    limit: int,
    seed: int,
    warn: Callable[[str], None],
) -> list[CaseSet]:
    from diversity_eval.judging.check import read_cases, reference_cases

    if data:
        return read_cases(data, kind=kind, human=human, limit=limit, warn=warn)
    known = [name for name in ("story", "instruction") if "*" in config.rubrics or name in config.rubrics]
    kinds = [kind] if kind is not None else known
    if not kinds:
        raise DiversityEvalError(
            f"judge {config.name} has a rubric for {', '.join(config.rubrics)} only, and there are no "
            "reference responses of that kind; name files of your own with --data and --kind"
        )
    return [reference_cases(name, limit=limit, seed=seed) for name in kinds]


def _names(files: CheckFiles) -> dict[str, str]:
    found = {"json": files.json, "page": files.page, "figure": files.figure}
    return {name: str(path) for name, path in found.items() if path is not None}


def _fail_if_unscored(check: Check, output: Path, warn: Callable[[str], None]) -> None:
    from collections import Counter

    from diversity_eval.judging.check.asking import STORE
    from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE, Unscored

    verdicts = check.verdicts
    unscored = Unscored(
        len(verdicts), Counter(verdict.reason for verdict in verdicts if verdict.rating is None)
    )
    if not unscored.count:
        return
    said = (
        f"{unscored.count} of {unscored.responses} ratings ({unscored.count / unscored.responses:.1%}) could "
        f"not be had from judge {check.config.name}, most often because: {unscored.most_common()}"
    )
    if unscored.too_many:
        raise DiversityEvalError(
            f"{said}. That is more than {LARGEST_UNSCORED_SHARE:.0%}: the numbers are of the rest only. All "
            f"of them are written; prompts and replies are in {output / STORE}"
        )
    warn(said)
