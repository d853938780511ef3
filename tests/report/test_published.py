import hashlib
import math
from importlib import resources
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report import compare, load_runs
from diversity_eval.report.published import published_rows
from tests.report.runs import write_run


def test_all_figures_are_there_and_each_has_a_task_of_ours() -> None:
    rows = published_rows()
    assert len(rows) == 806
    tasks = {path.stem for path in (Path(__file__).parents[2] / "tasks").rglob("*.yaml")}
    assert {row.task for row in rows} - {"mmlu_label"} <= tasks  # that one is a group, joined by the report
    (row,) = [
        r for r in rows
        if (r.table, r.benchmark, r.method, r.model, r.metric) == ("1", "short_stories", "ce",
        "Llama-3.1-8B", "self_bleu")
    ]  # fmt: skip
    assert (row.mean, row.std, row.scale) == (22.6, 8.5, 1.0)


def test_scales_are_ours() -> None:
    scale = {row.metric: row.scale for row in published_rows()}
    assert scale == {
        "self_bleu": 1, "quality": 1, "distinct": 1, "utility": 1, "coverage": 100, "success_rate": 100,
        "accuracy": 100, "asr": 100,
    }  # fmt: skip


def test_no_figure_has_changed_since_it_was_taken_from_the_paper() -> None:
    table = resources.files("diversity_eval.report").joinpath("published_results.csv").read_bytes()
    assert hashlib.sha256(table).hexdigest() == (
        "dd963969b13022729f4009b242548729e8b67f62972209d65d099cc0997f88df"
    )


def test_beside_the_columns_that_measure_the_same(tmp_path: Path) -> None:
    k10 = [["x"] * 10] * 2
    write_run(tmp_path / "a", "m", {"self_bleu": [1.0, 2.0]}, responses=k10)
    write_run(tmp_path / "b", "m", {"asr": [1.0, 0.0]}, task="harmbench", responses=k10)
    write_run(tmp_path / "c", "m", {"self_bleu": [1.0, 2.0]}, task="short_stories_256", responses=k10,
              fields={"max_new_tokens": "256"})  # fmt: skip
    comparison = compare(load_runs([tmp_path]), published=["alpaca:Llama-3.1-8B"])
    found = {(value.column, value.loss): value for value in comparison.published}
    assert found["harmbench/asr", "tofu"].mean == pytest.approx(_published("harmbench", "tofu", "asr") / 100)
    assert math.isnan(found["harmbench/asr", "tofu"].std)
    assert found["short_stories/self_bleu", "ce"].reference == "Llama-3.1-8B, CE (paper, Table 1, alpaca)"
    assert found["short_stories_256/self_bleu", "ce"].table == "D.6"
    # A table with quantised models has its own names, and the pattern does not mean them.
    assert {value.table for value in comparison.published} == {"1", "D.5", "D.6"}


def _published(benchmark: str, method: str, metric: str) -> float:
    (row,) = [
        r for r in published_rows()
        if (r.benchmark, r.method, r.metric, r.model, r.sft_dataset) == (benchmark, method, metric,
        "Llama-3.1-8B", "alpaca")
    ]  # fmt: skip
    return row.mean


def test_not_beside_a_column_that_contradicts_the_paper(tmp_path: Path) -> None:
    write_run(tmp_path, "m", {"self_bleu": [1.0, 2.0]}, fields={"max_new_tokens": "48"})
    comparison = compare(load_runs([tmp_path]), published=["alpaca"])
    assert comparison.published == ()
    assert any("no figure for any column" in warning for warning in comparison.warnings)


def test_what_the_paper_has_not_is_an_error(tmp_path: Path) -> None:
    write_run(tmp_path, "m", {"self_bleu": [1.0, 2.0]})
    runs = load_runs([tmp_path])
    with pytest.raises(DiversityEvalError, match="no data set 'dolly'; it has alpaca"):
        compare(runs, published=["dolly"])
    with pytest.raises(DiversityEvalError, match=r"no model 'GPT\*' with alpaca; there is Mistral"):
        compare(runs, published=["alpaca:GPT*"])
