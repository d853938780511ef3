"""The files of a check: `judge_check.json`, `judge_check.md`, `judge_check.png`."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diversity_eval.data.writing import write_text
from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.check.cases import CaseSet
from diversity_eval.judging.check.checks import Check
from diversity_eval.judging.check.figure import draw
from diversity_eval.judging.check.page import page
from diversity_eval.judging.check.results_file import case_rows, summary

__all__ = ["CheckFiles", "write_check"]

_NAME = "judge_check"


@dataclass(frozen=True)
class CheckFiles:
    """What was written.

    Attributes:
        summary: what is in the JSON file, without the single ratings.
        json: everything.
        page: the tables, in Markdown.
        figure: None where matplotlib is missing.
    """

    summary: dict[str, Any]
    json: Path
    page: Path
    figure: Path | None


def write_check(
    check: Check, sets: Sequence[CaseSet], folder: Path, *, command: str, warn: Callable[[str], None]
) -> CheckFiles:
    """Write a check into an existing folder; files of an earlier one are replaced.

    Args:
        check: finished.
        sets: where its cases came from.
        folder: an existing one.
        command: what the user typed, for the record.
        warn: called if there can be no figure.
    """
    found = summary(check, sets, command=command, time=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    files = (folder / f"{_NAME}.json", folder / f"{_NAME}.md", folder / f"{_NAME}.png")
    everything = {**found, "cases": case_rows(check)}
    write_text(files[0], json.dumps(everything, indent=1, allow_nan=False) + "\n")
    write_text(files[1], page(check, sets))
    figure: Path | None = files[2]
    files[2].unlink(missing_ok=True)  # never an earlier check's picture beside this one's table
    try:
        draw(check, files[2])
    except DiversityEvalError as error:
        warn(f"{error}; table and ratings are written")
        figure = None
    return CheckFiles(found, files[0], files[1], figure)
