"""The categories of NoveltyBench's curated prompts, for logs that do not hold them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from diversity_eval.data.resolve import load_rows
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun

__all__ = ["with_categories"]

_SOURCE = "novelty_bench_curated"
_IDS = "curated-"


def with_categories(runs: Sequence[LoggedRun], warn: Callable[[str], None]) -> list[LoggedRun]:
    """The runs, their curated prompts with the benchmark's categories by id.

    NoveltyBench's `generations.jsonl` has ids and no categories. Where the benchmark's data is not to be had,
    a warning says that there are no values by category, and the runs stay as they are.
    """
    known: dict[str, str] | None = None
    found = []
    for run in runs:
        lacking = [p for p in run.prompts if not p.categories and str(p.id).startswith(_IDS)]
        if lacking and known is None:
            try:
                known = {str(row["id"]): str(row["category"]) for row in load_rows(_SOURCE).rows}
            except DiversityEvalError as error:
                warn(f"{run.path}: no values by category, since the benchmark's data is not here ({error})")
                known = {}
        if lacking and known:
            categories = known
            run = replace(
                run,
                prompts=tuple(_named(prompt, categories) for prompt in run.prompts),
            )
        found.append(run)
    return found


def _named(prompt: LoggedPrompt, known: Mapping[str, str]) -> LoggedPrompt:
    category = known.get(str(prompt.id))
    return replace(prompt, categories=(category,)) if category and not prompt.categories else prompt
