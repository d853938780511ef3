"""The paper's layout of pairs, and its figures beside ours."""

import math
from dataclasses import replace

import pytest

from diversity_eval.report.comparison import Comparison, PublishedValue
from diversity_eval.report.tables import latex, markdown, tables_of
from tests.report.comparisons import PAPER_ROWS, comparison


def published(column: str, mean: float, std: float = math.nan, model: str = "Qwen3-8B") -> PublishedValue:
    return PublishedValue(
        f"{model}, TOFU (paper, Table 1, alpaca)", "1", "alpaca", model, "tofu", "", column, mean, std
    )


@pytest.fixture(scope="module")
def beside() -> Comparison:
    values = (
        published("short_stories/self_bleu", 12.7, 3.8), published("short_stories/quality", 4.5, 0.3),
        published("short_stories/self_bleu", 0.1, 0.1, "Phi-4-14B"),
        published("math500_coverage/coverage", 0.806), published("math500_coverage/success_rate", 0.503),
    )  # fmt: skip
    return replace(comparison(), published=values)


def test_the_paper_s_figures_are_lines_that_say_so(beside: Comparison) -> None:
    (stories, *_) = tables_of(beside)
    (group,) = stories.groups
    assert [name for name, _ in group.lines] == ["m-ce", "m-tofu"]
    ((name, entries), (_, partly)) = group.published
    assert name == "Qwen3-8B, TOFU (paper, Table 1, alpaca)"
    assert [entry.text for entry in entries] == ["12.7 ± 3.8", "4.50 ± 0.30"]
    assert [entry.text for entry in partly] == ["0.1 ± 0.1", ""]
    assert r"\textit{Qwen3-8B, TOFU (paper, Table 1, alpaca)} & 12.7$\pm$3.8 & 4.50$\pm$0.30 \\" in latex(
        beside
    )
    assert "| *Qwen3-8B, TOFU (paper, Table 1, alpaca)* | 12.7 ± 3.8 | 4.50 ± 0.30 |" in markdown(beside)


def test_the_paper_s_figures_are_never_the_best(beside: Comparison) -> None:
    assert beside.published[2].mean < min(c.mean for c in beside.cells_of("short_stories/self_bleu"))
    for table in tables_of(beside):
        for group in table.groups:
            assert not any(entry.best for _, entries in group.published for entry in entries)
    assert markdown(beside).count("**") == markdown(replace(beside, published=())).count("**")


def test_with_models_across_they_have_a_table_of_their_own(beside: Comparison) -> None:
    made = replace(comparison(PAPER_ROWS), published=beside.published)
    ours, theirs, *_ = tables_of(made)
    assert [model for model, _ in ours.heads] == ["Qwen3-8B", "Phi-4-14B", "Pythia-12B"]
    assert not any(group.published for group in ours.groups)
    assert theirs.title == "Short Stories: figures of the paper"
    assert [name for name, _ in theirs.groups[0].published] == [
        "Qwen3-8B, TOFU (paper, Table 1, alpaca)", "Phi-4-14B, TOFU (paper, Table 1, alpaca)"
    ]  # fmt: skip


def test_coverage_has_its_success_rate_in_parentheses(beside: Comparison) -> None:
    (table,) = [table for table in tables_of(beside) if table.title == "MATH-500"]
    assert table.heads == (("", ("Coverage ↑ (Success rate ↑)",)),)
    coverage, rate = (beside.cells["m-tofu", f"math500_coverage/{m}"] for m in ("coverage", "success_rate"))
    (entry,) = table.groups[0].lines[1][1]
    assert entry.behind is not None
    assert (entry.text, entry.best) == (f"{coverage.mean:.3f}", coverage.best)
    assert (entry.behind.text, entry.behind.best) == (f"{rate.mean:.3f}", rate.best)
    assert "| *Qwen3-8B, TOFU (paper, Table 1, alpaca)* | 0.806 (0.503) |" in markdown(beside)
    assert "standard deviation" not in table.notes[0]


def test_half_a_pair_is_a_dash(beside: Comparison) -> None:
    cells = {key: cell for key, cell in beside.cells.items() if key[1] != "math500_coverage/success_rate"}
    (table,) = [t for t in tables_of(replace(beside, cells=cells)) if t.title == "MATH-500"]
    (entry,) = table.groups[0].lines[0][1]
    assert entry.behind is not None
    assert entry.behind.text == "–"


def test_wide_tables_run_over_the_page() -> None:
    text = latex(comparison(PAPER_ROWS))
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 2  # stories and NoveltyBench
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
