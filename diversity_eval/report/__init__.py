"""Comparison reports: which checkpoint is more diverse, at what price in quality, and what is only noise.

    from diversity_eval.report import cells_frame, compare, load_runs

    runs = load_runs(["results/ce", "results/tofu"])
    comparison = compare(runs, baseline="ce")
    cells_frame(comparison)       # a pandas line per number, with interval, test and effect size

Loads numpy when it compares, pandas for frames, matplotlib for figures; never lm-eval, torch or the network.
"""

from diversity_eval.report.api import Runs, compare, load_runs
from diversity_eval.report.comparison import Cell, Column, Comparison, Difference, Row, Settings
from diversity_eval.report.tables.frames import cells_frame, tidy

__all__ = [
    "Cell",
    "Column",
    "Comparison",
    "Difference",
    "Row",
    "Runs",
    "Settings",
    "cells_frame",
    "compare",
    "load_runs",
    "tidy",
]
