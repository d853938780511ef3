"""What a comparison of checkpoints is: rows, columns, and a cell where both meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diversity_eval.report.evaluation import Evaluation

__all__ = ["Cell", "Column", "Comparison", "Difference", "PublishedValue", "Row", "Settings"]


@dataclass(frozen=True)
class Settings:
    """How the comparison was made.

    Attributes:
        baseline: the label of the row that the others are compared with.
        confidence: of all intervals.
        alpha: a corrected p-value below it counts as a difference.
        seed: of the resampling.
        resamples: of the bootstrap; sign patterns are at least as many, more in a large table.
        protocol: the named protocol whose differences are allowed; None for none.
        allowed: signature keys that may differ within a column.
    """

    baseline: str
    confidence: float = 0.95
    alpha: float = 0.05
    seed: int = 0
    resamples: int = 10_000
    protocol: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A checkpoint, or the mean of several (a group of models).

    Attributes:
        label: unique in the comparison.
        model: the model family, `Qwen3-8B`; the label where nothing says more.
        loss: the training loss (`ce`, `tofu`, ...; `base` for none); None if not known.
        parameters: of the loss, `{"gamma": 3.0, "beta": 0.8}`; empty if not known.
        members: for a group, the labels of the rows that it is the mean of.
        evaluations: places in `Comparison.evaluations`.
    """

    label: str
    model: str
    loss: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    evaluations: tuple[int, ...] = ()


@dataclass(frozen=True)
class Column:
    """One metric of one task, measured in one way.

    Attributes:
        key: unique; `short_stories/self_bleu`, with `~2`, `~3`, ... for other ways of measuring it.
        task: the task's name.
        metric: the metric's name.
        variant: how this way differs from the other columns of the same task and metric, in words:
            `max_new_tokens 256`; empty if there is one column only.
        higher_is_better: None for a metric without a direction.
        headline: whether it stands in the leaderboard unasked.
        signature: the fields that all its cells share.
        notes: differences within the column that were allowed, and what some runs do not say, one each.
    """

    key: str
    task: str
    metric: str
    variant: str = ""
    higher_is_better: bool | None = None
    headline: bool = False
    signature: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A cell against another row's cell of the same column, over the prompts that both have.

    Attributes:
        other: the other row's label.
        difference: mean of the cell's values minus mean of the other's.
        lower, upper: its confidence interval; nan if there is none.
        effect_size: the mean difference over the standard deviation of the differences (Cohen's d_z); may be
            nan or infinite.
        p_value: two-sided, of the paired permutation test.
        p_adjusted: the same after Holm's correction over the table.
        n: the prompts that both have.
    """

    other: str
    difference: float
    lower: float
    upper: float
    effect_size: float
    p_value: float
    p_adjusted: float
    n: int


@dataclass(frozen=True)
class Cell:
    """A row's value in a column.

    Attributes:
        row, column: its label and key.
        mean, std: over prompts; std is nan for a single prompt.
        lower, upper: the confidence interval of the mean; nan if there is none.
        n: the number of prompts with a value.
        available: the number of prompts that the task has; None if not known.
        marks: why it is not the whole benchmark, each in a few words: `5 of 100 prompts`, `12 unscored`.
        best: whether it is the best of its column or cannot be told from it.
        difference: against the baseline; None for the baseline itself and where no prompt is shared.
        tested: whether per-prompt values are known; without them there is neither interval nor test.
        evaluation: its place in `Comparison.evaluations`; None for a group.
    """

    row: str
    column: str
    mean: float
    std: float
    lower: float
    upper: float
    n: int
    available: int | None = None
    marks: tuple[str, ...] = ()
    best: bool = False
    difference: Difference | None = None
    tested: bool = True
    evaluation: int | None = None


@dataclass(frozen=True)
class PublishedValue:
    """A figure of the paper, on our scale, beside the column that it is nearest to.

    Attributes:
        reference: the row's name: `Qwen3-8B, TOFU (paper, Table 1)`.
        table, dataset, model, loss, setting: as the paper has them.
        column: the key of a column.
        mean, std: std is nan where the paper gives none.
    """

    reference: str
    table: str
    dataset: str
    model: str
    loss: str
    setting: str
    column: str
    mean: float
    std: float


@dataclass(frozen=True)
class Comparison:
    """Everything a report says.

    Attributes:
        settings: how it was made.
        rows: by model, and by loss as the paper orders them; groups behind.
        columns: by task, headline metrics first.
        cells: by (row label, column key); only those that there are.
        evaluations: what was read, one for each task of each run.
        published: reference values.
        warnings: what a reader has to know, each a sentence.
        summary: the result in words, each a sentence.
    """

    settings: Settings
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[str, str], Cell]
    evaluations: tuple[Evaluation, ...] = ()
    published: tuple[PublishedValue, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()

    def cell(self, row: str, column: str) -> Cell | None:
        """The cell of a row in a column; None if the row has none."""
        return self.cells.get((row, column))

    def column(self, key: str) -> Column:
        """The column with this key. Raises KeyError."""
        for column in self.columns:
            if column.key == key:
                return column
        raise KeyError(key)

    def cells_of(self, column: str) -> list[Cell]:
        """The cells of a column, in the order of the rows."""
        return [cell for row in self.rows if (cell := self.cells.get((row.label, column))) is not None]

    def evaluations_of(self, row: str) -> list[Evaluation]:
        """What a row (for a group: each of its members) is made from."""
        places = [place for each in self.rows if each.label == row for place in each.evaluations]
        return [self.evaluations[place] for place in places]
