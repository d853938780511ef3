from pathlib import Path

import pytest

from diversity_eval.logs.novelty_subsets import subset_of_ids, subset_of_path, subset_of_task


@pytest.mark.parametrize(
    ("ids", "subset"),
    [
        (["curated-0", "curated-17"], "curated"),
        (["WildChat-ab", "wildchat-cd"], "wildchat"),
        (["curated-0", "WildChat-ab"], None),
        (["curated-0", None], None),
        ([7, 8], None),
        ([], None),
    ],
)
def test_ids_tell_the_subset_if_all_agree(ids: list[object], subset: str | None) -> None:
    assert subset_of_ids(ids) == subset


@pytest.mark.parametrize(
    ("path", "subset"),
    [
        ("a/nb-wildchat/generations.jsonl", "wildchat"),
        ("a/nb-curated/v1.0/scores.jsonl", "curated"),
        ("nb-wildchat/v2/scores.jsonl", "wildchat"),
        ("a/nb-wildchat/other/scores.jsonl", None),
        ("nb-wildchat.jsonl", None),
    ],
)
def test_the_folder_tells_the_subset(path: str, subset: str | None) -> None:
    assert subset_of_path(Path(path)) == subset


def test_a_file_of_the_folder_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nb-wildchat").mkdir()
    monkeypatch.chdir(tmp_path / "nb-wildchat")
    assert subset_of_path(Path("generations.jsonl")) == "wildchat"


@pytest.mark.parametrize(
    ("task", "subset"),
    [
        ("novelty_bench", "curated"),
        ("novelty_bench_base", "curated"),
        ("novelty_bench_wildchat", "wildchat"),
        ("novelty_bench_wildchat_base", "wildchat"),
        ("novelty_benchmark", None),
        ("small_prompts", None),
    ],
)
def test_the_task_tells_the_subset(task: str, subset: str | None) -> None:
    assert subset_of_task(task) == subset
