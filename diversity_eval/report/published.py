"""The paper's own figures, to set beside a comparison: never joined with it, nor tested."""

from __future__ import annotations

import csv
import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.comparison import Column, Comparison, PublishedValue
from diversity_eval.report.titles import BASE_SUFFIX, LOSS_TITLES, metric_title

__all__ = ["SOURCE", "PublishedRow", "published_rows", "published_values"]

SOURCE = "Diversity in Large Language Models under Supervised Fine-Tuning, Tables 1, 2, C.1 and D.1 to D.7"
"""Where the figures are from. Tables are not joined with one another: they disagree (the same TOFU checkpoint
has a Distinct of 4.41 in Table C.1 and of 8.2 in Table D.2)."""

_TEXTS = ("table", "sft_dataset", "benchmark", "method", "model", "metric", "setting")
_FILE = "published_results.csv"
_TASKS: Mapping[str, str] = MappingProxyType(
    {
        "math500": "math500_coverage",
        "gsm8k": "gsm8k_coverage",
        "minerva_math": "minerva_math_coverage",
        "arc_challenge": "arc_challenge_label",
        "mmlu": "mmlu_label",
    }
)
# The paper's protocol, as far as a column's signature can contradict it.
_PROTOCOL: Mapping[str, str] = MappingProxyType({"top_p": "0.9"})
_SAMPLES: Mapping[str, str] = MappingProxyType({"coverage": "16", "success_rate": "16"})


@dataclass(frozen=True)
class PublishedRow:
    """One figure as the paper prints it; `mean` and `std` in its own scale, std nan where there is none."""

    table: str
    sft_dataset: str
    benchmark: str
    method: str
    model: str
    metric: str
    mean: float
    std: float
    setting: str

    @property
    def task(self) -> str:
        """The task of this project that measures the same thing."""
        name = _TASKS.get(self.benchmark, self.benchmark)
        tokens = self.setting.removesuffix(" tokens")
        return f"{name}_{tokens}" if self.setting.endswith(" tokens") and tokens != "64" else name

    @property
    def scale(self) -> float:
        """What the paper's figure is divided by for our scale: it prints shares in per cent."""
        return 100.0 if metric_title(self.metric).percent else 1.0

    @property
    def reference(self) -> str:
        """The row's name, which says where it is from."""
        loss = LOSS_TITLES.get(self.method, self.method)
        parameters = f" {self.setting}" if "=" in self.setting else ""
        return f"{self.model}, {loss}{parameters} (paper, Table {self.table}, {self.sft_dataset})"


def published_rows() -> list[PublishedRow]:
    """All figures of the paper's tables."""
    text = resources.files("diversity_eval.report").joinpath(_FILE).read_text(encoding="utf-8")
    return [
        PublishedRow(
            **{name: row[name] for name in _TEXTS}, mean=float(row["mean"]),
            std=float(row["std"]) if row["std"] else math.nan,
        )
        for row in csv.DictReader(text.splitlines())
    ]  # fmt: skip


def published_values(
    comparison: Comparison, wanted: Sequence[str], warn: Callable[[str], None]
) -> list[PublishedValue]:
    """The figures that a comparison has a column for.

    Args:
        comparison: whose columns.
        wanted: `DATASET` or `DATASET:MODEL`, with the paper's names of both (`alpaca:Qwen3*`); case and
            pattern characters as in file names.
        warn: told of what matches nothing.

    Raises:
        DiversityEvalError: a dataset or a model that the paper has not.
    """
    rows = published_rows()
    values: dict[PublishedValue, None] = {}
    for each in wanted:
        dataset, _, model = each.partition(":")
        of_dataset = [row for row in rows if row.sft_dataset == dataset]
        if not of_dataset:
            there = ", ".join(dict.fromkeys(row.sft_dataset for row in rows))
            raise DiversityEvalError(
                f"--published {each}: the paper has no data set {dataset!r}; it has {there}"
            )
        chosen = [
            row for row in of_dataset if not model or fnmatch.fnmatchcase(row.model.lower(), model.lower())
        ]
        if not chosen:
            there = ", ".join(dict.fromkeys(row.model for row in of_dataset))
            raise DiversityEvalError(
                f"--published {each}: no model {model!r} with {dataset}; there is {there}"
            )
        found = [value for row in chosen if (value := _beside(row, comparison.columns)) is not None]
        if not found:
            warn(f"--published {each}: the paper has no figure for any column of this comparison")
        values |= dict.fromkeys(found)
    return list(values)


def _beside(row: PublishedRow, columns: Sequence[Column]) -> PublishedValue | None:
    """The figure beside the first column that measures the same, with nothing that contradicts the paper."""
    base = row.method == "base"
    for column in columns:
        task = column.task
        if task.endswith(BASE_SUFFIX) and base:
            task = task.removesuffix(BASE_SUFFIX)
        if task == row.task and column.metric == row.metric and not _contradicts(row, column):
            return PublishedValue(
                reference=row.reference, table=row.table, dataset=row.sft_dataset, model=row.model,
                loss=row.method, setting=row.setting, column=column.key, mean=row.mean / row.scale,
                std=row.std / row.scale,
            )  # fmt: skip
    return None


def _contradicts(row: PublishedRow, column: Column) -> bool:
    expected = dict(_PROTOCOL)
    if row.setting.endswith(" tokens"):
        expected["max_new_tokens"] = row.setting.removesuffix(" tokens")
    if row.metric in _SAMPLES:
        expected["k"] = _SAMPLES[row.metric]
    return any(column.signature.get(key, value) not in (value, "unknown") for key, value in expected.items())
