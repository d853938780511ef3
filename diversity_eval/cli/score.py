"""`diversity-eval score`: score finished responses again, without the model that wrote them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diversity_eval.cli.judge_options import command_line, judge_setting
from diversity_eval.cli.novelty_options import NoveltyChoice, fail_if_unknown, novelty_error, novelty_options
from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diversity_eval.judging.config import JudgeConfig
    from diversity_eval.logs.logged import LoggedRun
    from diversity_eval.scoring.score_logs import OneTimeRater, ScoredTask

__all__ = ["score"]

_STORE = "verdicts.sqlite"
_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@click.command(epilog="Example: diversity-eval score results/ --judge llama-3.1-70b-server -o scored")
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results; what is in it stays.",
)  # fmt: skip
@click.option("--judge", help="Rate quality: a judge's name, or the path of its YAML.")
@click.option(
    "--judge-set", "judge_set", multiple=True, metavar="KEY=VALUE",
    help="Replace a key of the judge's YAML; may be repeated.",
)  # fmt: skip
@click.option("--mode", type=click.Choice(["generate", "rate"]), help="Short for --judge-set mode=...")
@click.option(
    "--verdicts", type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where verdicts are kept and looked up; else OUTPUT/{_STORE}.",
)  # fmt: skip
@click.option("--retry-unscored", is_flag=True, help="Ask again where the judge gave no rating before.")
@click.option("--kind", help="Kind of task (story, instruction, ...), instead of what the logs say.")
@click.option("--prompt-field", help="Field with the bare prompt, instead of what the logs say.")
@click.option(
    "--embeddings", type=click.Choice(["auto", "minilm", "none"]), default="auto", show_default=True,
    help="vendi_score: if the extra `semantic` is there; always; never.",
)  # fmt: skip
@novelty_options
@click.option("--limit", type=click.IntRange(min=1), help="Only the first prompts of each task.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def score(
    logs: tuple[Path, ...],
    output: Path,
    judge: str | None,
    judge_set: tuple[str, ...],
    mode: str | None,
    verdicts: Path | None,
    retry_unscored: bool,
    kind: str | None,
    prompt_field: str | None,
    embeddings: str,
    limit: int | None,
    as_json: bool,
    **novelty: Any,
) -> None:
    """Score the responses in LOGS: diversity metrics, and with a judge their quality.

    LOGS are files or folders: lm-eval sample logs (of any task that generates), NoveltyBench's
    generations.jsonl, or JSONL, CSV or Parquet with prompts and responses. The results have lm-eval's own
    layout. Exits with status 1 if more than 5 % of a task's responses could not be rated or verified, or of
    its prompts have no Distinct.
    """
    from diversity_eval.cli.score_tables import print_end, print_json, print_task
    from diversity_eval.logs.reading import read_logs
    from diversity_eval.scoring.categories import with_categories
    from diversity_eval.scoring.embeddings import choose_embedding
    from diversity_eval.scoring.score_logs import check_runs, rate_runs, score_logs
    from diversity_eval.scoring.workers import metric_workers

    started = time.monotonic()
    warnings: list[str] = []

    def warn(message: str) -> None:
        warnings.append(message)
        click.echo(f"diversity-eval: warning: {message}", err=True)

    chosen = NoveltyChoice.of_options(**novelty)
    config = _judge(judge, judge_set, mode, None if chosen else verdicts, retry_unscored)
    runs = read_logs(logs, kind=kind, prompt_field=prompt_field, warn=warn)
    runs = _without_own_output(runs, output, warn)
    if limit is not None:
        runs = [run.first(limit) for run in runs]
    check_runs(runs, config, warn)
    leaderboard = bool(novelty["formats"])
    if chosen is not None:
        runs = with_categories(runs, warn)
        chosen.check(runs, output, warn, leaderboard=leaderboard)
    elif any(run.task.startswith("novelty_bench") for run in runs):
        warn("no Distinct and no Utility; --benchmark novelty_bench measures them")
    _make_folder(output)
    rater = _rater(config, verdicts or output / _STORE) if config is not None else None
    metric = chosen.open(output, verdicts) if chosen is not None else None
    tasks: list[ScoredTask] = []
    try:
        with metric_workers(sum(len(run.prompts) for run in runs)) as measure:
            if rater is not None:
                rate_runs(runs, rater, retry_unscored=retry_unscored)
            embed = choose_embedding(embeddings, warn)  # type: ignore[arg-type]  # click checked it
            command = command_line(click.get_current_context())
            for task in score_logs(
                runs, output, embed=embed, rater=rater, novelty=metric, leaderboard=leaderboard,
                command=command, measure=measure, on_novelty_error=novelty_error,
            ):  # fmt: skip
                tasks.append(task)
                if not as_json:
                    print_task(task)
        if as_json:
            print_json(tasks, rater, metric, warnings)
        else:
            print_end(tasks, rater, metric, time.monotonic() - started)
    except KeyboardInterrupt:
        _say_interrupted(rater, resumes=metric is not None)
        raise SystemExit(_INTERRUPTED) from None
    finally:
        if rater is not None:
            rater.close()
        if metric is not None:
            metric.close()
    if rater is not None:
        _fail_if_unscored(tasks, rater)
    if metric is not None:
        fail_if_unknown(tasks)
    _fail_if_unverified(tasks)


def _judge(
    judge: str | None,
    judge_set: Sequence[str],
    mode: str | None,
    verdicts: Path | None,
    retry_unscored: bool,
) -> JudgeConfig | None:
    if judge is None:
        given = {
            "--judge-set": judge_set,
            "--mode": mode,
            "--verdicts": verdicts,
            "--retry-unscored": retry_unscored,
        }
        if unused := [name for name, value in given.items() if value]:
            raise DiversityEvalError(f"{unused[0]} is given without a judge; add --judge NAME")
        return None
    from diversity_eval.judging.config import load_judge

    changes = dict(map(judge_setting, judge_set))
    if mode is not None:
        changes["mode"] = mode
    return load_judge(judge, changes)


def _without_own_output(runs: list[LoggedRun], output: Path, warn: Callable[[str], None]) -> list[LoggedRun]:
    """Inputs without what an earlier call wrote into the output folder, which may lie among them.

    Raises DiversityEvalError if nothing else is there.
    """
    own = [run for run in runs if _is_own(run, output)]
    if not own:
        return runs
    if len(own) == len(runs):
        raise DiversityEvalError(
            f"{output}: all inputs are results of earlier calls in the output folder itself; name the logs, "
            "or another output folder"
        )
    warn(f"{len(own)} results of earlier calls in {output} are among the inputs and left out")
    return [run for run in runs if run not in own]


def _is_own(run: LoggedRun, output: Path) -> bool:
    from diversity_eval.scoring.leaderboard import FOLDER

    folders = run.path.resolve().parents
    written = output.resolve()
    return written / FOLDER in folders or ("scored" in run.record and written in folders)


def _rater(config: JudgeConfig, store: Path) -> OneTimeRater:
    from diversity_eval.judging import backends
    from diversity_eval.judging.store import VerdictStore
    from diversity_eval.scoring.score_logs import OneTimeRater

    return OneTimeRater(config, VerdictStore(store), open_with=backends.open_backend)


def _make_folder(output: Path) -> None:
    """Found out now rather than after hours of rating."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiversityEvalError(f"{output}: the folder cannot be made ({error.strerror})") from None


def _say_interrupted(rater: OneTimeRater | None, *, resumes: bool) -> None:
    if rater is None:
        kept = "; what was compared and scored is kept, and the same command goes on from there"
        click.echo(f"diversity-eval: interrupted{kept if resumes else ''}", err=True)
        return
    click.echo(
        f"diversity-eval: interrupted; {rater.store.counts()[0]} verdicts are kept in {rater.store.path}, "
        "and the same command goes on from there",
        err=True,
    )


def _fail_if_unscored(tasks: Sequence[ScoredTask], rater: OneTimeRater) -> None:
    from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE, Unscored

    all_ = [(task.run.task, task.unscored) for task in tasks if task.unscored is not None]
    total = sum((unscored for _, unscored in all_), Unscored(0))
    if not total.count:
        return
    said = (
        f"{total.count} of {total.responses} responses ({total.count / total.responses:.1%}) have no rating "
        f"by judge {rater.config.name}, most often because: {total.most_common()}"
    )
    if failing := [task for task, unscored in all_ if unscored.too_many]:
        raise DiversityEvalError(
            f"{said}. That is more than {LARGEST_UNSCORED_SHARE:.0%} of {', '.join(failing)}: do not publish "
            "it. All that was measured is written. The same command asks again where no answer came, and "
            "with --retry-unscored also where an answer gave no rating; the replies are in the sample logs "
            "under `unscored`"
        )
    click.echo(f"diversity-eval: warning: {said}", err=True)


def _fail_if_unverified(tasks: Sequence[ScoredTask]) -> None:
    for task in tasks:
        for line in task.unverified.lines():
            click.echo(f"diversity-eval: warning: {task.run.task}: {line}", err=True)
    if failing := [task.run.task for task in tasks if task.unverified.too_many]:
        raise DiversityEvalError(
            f"{', '.join(failing)}: more than 5 % of the answers could not be verified: do not publish it. "
            "All that was measured is written"
        )
