from dataclasses import replace
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.scoring import categories
from diversity_eval.scoring.categories import with_categories


def run_of(*ids: str | int | None) -> LoggedRun:
    prompts = tuple(LoggedPrompt(i, f"p{i}", ("a", "b"), ("a", "b"), id=name) for i, name in enumerate(ids))
    return LoggedRun("novelty_bench", None, Path("x"), "0", "instruction", "prompt", prompts, {})


def test_curated_prompts_get_the_benchmarks_categories(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIVERSITY_EVAL_DATA", str(data_folder))
    warnings: list[str] = []
    (found,) = with_categories([run_of("curated-0", "curated-99", "mine")], warnings.append)
    known = {
        "Creativity", "Factual Knowledge", "Random Generation & Selection", "Character & Entity Naming",
        "Product & Purchase Recommendations", "Subjective Rankings & Opinions",
    }  # fmt: skip
    assert {prompt.categories[0] for prompt in found.prompts[:2]} <= known
    assert found.prompts[2].categories == ()
    assert warnings == []


def test_nothing_is_looked_up_for_other_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categories, "load_rows", lambda name: pytest.fail("looked up"))
    run = run_of("WildChat-1", 7, None)
    assert with_categories([run], lambda message: None) == [run]
    known = replace(
        run_of("curated-1"), prompts=(replace(run_of("curated-1").prompts[0], categories=("C",)),)
    )
    assert with_categories([known], lambda message: None) == [known]


def test_without_the_data_one_warning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> None:
        raise DiversityEvalError("not here")

    monkeypatch.setattr(categories, "load_rows", nowhere)
    warnings: list[str] = []
    runs = [run_of("curated-0"), run_of("curated-1")]
    assert with_categories(runs, warnings.append) == runs
    assert len(warnings) == 1
    assert "no values by category" in warnings[0]
