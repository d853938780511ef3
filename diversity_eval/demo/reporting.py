"""The demo's report: its versions compared as any checkpoints are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from diversity_eval.demo.run import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diversity_eval.demo.evaluation import Evaluation

__all__ = ["REPORT", "report_command", "write_demo_report"]

REPORT = "report.html"
"""The report's file in the demo's output folder."""


def write_demo_report(evaluations: Mapping[str, Evaluation], output: Path) -> Path:
    """Write the report on all versions into the demo's output folder; returns its path.

    Raises DiversityEvalError if it cannot be written.
    """
    from diversity_eval.report import compare, load_runs
    from diversity_eval.report.files import write_report

    names = {str(evaluation.results_file): name for name, evaluation in evaluations.items()}
    comparison = compare(load_runs(list(names), names=names))
    path = output / REPORT
    write_report(comparison, path, ["html"], title="The demo: a tiny model and its fine-tuned versions")
    return path


def report_command(output: Path) -> list[str]:
    """The arguments of `diversity-eval` that write the same report, if the demo ran once into that folder."""
    evaluations = output / "evaluations"
    return ["report", str(evaluations), "--name", f"{evaluations / BASE}={BASE}", "-o", str(output / REPORT)]
