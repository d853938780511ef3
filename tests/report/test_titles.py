from pathlib import Path

from diversity_eval.report.titles import is_headline, metric_title, task_place, task_title
from diversity_eval.training.losses import loss_names

TASKS = [path.stem for path in (Path(__file__).parents[2] / "tasks").rglob("*.yaml")]


def test_every_task_has_a_title_and_a_place_and_a_metric_in_the_leaderboard() -> None:
    single = [
        task for task in TASKS if not task.startswith("_") and "mmlu" not in task and task_place(task)[1]
    ]
    assert len(single) > 20
    for task in single:
        assert task_title(task) != task
        assert any(
            is_headline(task, metric)
            for metric in ("self_bleu", "distinct", "coverage", "asr", "accuracy", "mass_right")
        )


def test_names_for_people() -> None:
    assert task_title("short_stories_base") == "Short Stories (base prompt)"
    assert task_title("short_stories_256") == "Short Stories, 256 tokens"
    assert task_title("short_stories_base_512") == "Short Stories (base prompt), 512 tokens"
    assert task_title("mmlu_label_high_school_biology") == "MMLU: high school biology"
    assert task_title("arc_easy") == "arc_easy"
    assert metric_title("self_bleu").title == "Self-BLEU"
    assert metric_title("pass_at_8").title == "pass@8"
    assert metric_title("asr.cybercrime-intrusion").title == "ASR: cybercrime-intrusion"
    assert metric_title("exact_match").title == "exact match"


def test_every_way_of_telling_classes_apart_stands_in_the_leaderboard() -> None:
    for ending, shown in (("_exact", "exact"), ("_rouge1", "rouge1"), ("_judge", "judge"), ("_v1_1", "v1.1")):
        assert is_headline("novelty_bench", f"distinct{ending}")
        assert metric_title(f"distinct{ending}").title == f"Distinct ({shown})"
        assert metric_title(f"distinct{ending}").role == "diversity"
    assert metric_title("utility_v1_1").role == "quality"
    # Words that differ are another thing.
    assert not is_headline("novelty_bench", "distinct_2")
    assert metric_title("distinct_2").role is None


def test_the_suite_s_order() -> None:
    tasks = [
        "zz",
        "harmbench",
        "novelty_bench_wildchat",
        "short_stories_256",
        "novelty_bench",
        "short_stories",
    ]
    assert sorted(tasks, key=task_place) == [
        "short_stories", "short_stories_256", "novelty_bench", "novelty_bench_wildchat", "harmbench", "zz"
    ]  # fmt: skip


def test_every_loss_that_can_be_trained_has_a_title() -> None:
    from diversity_eval.report.titles import LOSS_ORDER

    assert set(loss_names()) | {"base"} == set(LOSS_ORDER)
