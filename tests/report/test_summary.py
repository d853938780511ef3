from tests.report.comparisons import comparison

ROWS = [(f"m-{loss}", "m", loss) for loss in ("base", "ce", "focal", "gem", "pr", "tofu")]


def test_who_is_most_diverse_at_no_significant_cost_and_who_at_one() -> None:
    (stories, *_) = comparison(ROWS).summary
    assert stories.startswith(
        "Short Stories: m-base is the most diverse at no significant cost in quality: Self-BLEU "
    )
    assert "less than m-ce [" in stories
    assert "m-pr is more diverse too, but at a significant cost in quality." in stories


def test_nobody_is_better_than_the_baseline() -> None:
    same = comparison([("a", "m", "ce"), ("b", "m", "other")])
    assert same.summary[0] == (
        "Short Stories: no run is significantly more diverse than a at no significant cost in quality."
    )


def test_one_run_has_no_summary() -> None:
    assert comparison([("a", "m", "ce")]).summary == ()


def test_quality_that_was_not_measured_is_said() -> None:
    from dataclasses import replace

    made = comparison(ROWS)
    columns = tuple(column for column in made.columns if column.metric != "quality")
    from diversity_eval.report.summary import summarise

    (first, *_) = summarise(replace(made, columns=columns))
    assert "Short Stories: m-pr is the most diverse by Self-BLEU" in first
    assert first.endswith("Quality was not measured, so its price is not known.")


def test_nothing_in_common() -> None:
    from dataclasses import replace

    from diversity_eval.report.summary import summarise

    made = comparison(ROWS)
    bare = {key: replace(cell, difference=None) for key, cell in made.cells.items()}
    assert summarise(replace(made, cells=bare)) == [
        "No two runs have a result in common, so nothing can be said about their differences."
    ]
