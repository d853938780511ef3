import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report.compare import compare_rows, default_baseline
from diversity_eval.report.comparison import Row
from diversity_eval.report.evaluation import EvaluatedPrompt
from tests.report.comparisons import around, comparison, evaluation, rows_of_one


def test_a_loss_as_baseline_compares_within_each_model() -> None:
    made = comparison([("q-ce", "q", "ce"), ("q-tofu", "q", "tofu"), ("p-ce", "p", "ce"), ("p-tofu",
    "p", "tofu"),
                       ("lone", "x", "gem")], baseline="ce")  # fmt: skip
    others = {
        row.label: cell.difference.other if cell.difference else None
        for row in made.rows
        if (cell := made.cell(row.label, "short_stories/self_bleu")) is not None
    }
    assert others == {"q-ce": None, "q-tofu": "q-ce", "p-ce": None, "p-tofu": "p-ce", "lone": None}
    assert any("for want of a baseline (ce): lone" in warning for warning in made.warnings)


def test_the_baseline_unasked() -> None:
    def of(*losses: str | None) -> str:
        return default_baseline([Row(f"r{place}", f"r{place}", loss) for place, loss in enumerate(losses)])

    assert of("base", "tofu", "ce") == "r2"
    assert of("tofu", "base") == "r1"
    assert of(None, None) == "r0"
    assert of("ce", "tofu", "ce") == "ce"


def test_runs_without_shared_prompts_are_not_tested_and_it_is_said() -> None:
    made = compare_rows(rows_of_one("a", "b"), [
        evaluation("a", "short_stories", {"self_bleu": around(20, n=3)}),
        evaluation("b", "short_stories", {"self_bleu": around(21, n=3)},
        prompts=[EvaluatedPrompt(f"x{n}") for n in range(3)]),
    ])  # fmt: skip
    assert all(cell.difference is None for cell in made.cells.values())
    assert any(
        "no prompt is shared with the baseline (a), so nothing is tested: b" in w for w in made.warnings
    )


def test_rows_stand_by_model_and_in_the_paper_s_order_of_losses() -> None:
    named = [("b-tofu", "b", "tofu"), ("a-x", "a", None), ("b-base", "b", "base"), ("a-ce", "a", "ce")]
    made = comparison([*named, ("b-own", "b", "own")])
    assert [row.label for row in made.rows] == ["b-base", "b-tofu", "b-own", "a-ce", "a-x"]


def test_the_same_seed_gives_the_same_comparison() -> None:
    assert comparison().cells == comparison().cells


def test_unknown_names_are_errors() -> None:
    made = [evaluation("a", "short_stories", {"self_bleu": around(20)})]
    for options, message in (
        ({"baseline": "nobody"}, "--baseline nobody: no run is called so.*the runs are a"),
        ({"protocol": "mine"}, "unknown protocol 'mine'; there is paper"),
        ({"allowed": ["temprature"]}, "--allow temprature: no run has that in its signature; there is data"),
        ({"groups": {"g": ["x*"]}}, r"--group g: no model matches 'x\*'"),
    ):
        with pytest.raises(DiversityEvalError, match=message):
            compare_rows(rows_of_one("a"), made, **options)
