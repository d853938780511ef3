"""NoveltyBench's files: written, recomputed with numpy from what is on disk, and read back."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import read_logs, write_leaderboard
from diversity_eval.metrics.novelty import UNKNOWN
from tests.logs.novelty_runs import (
    CLASSES,
    RESPONSES,
    SCORES,
    everything,
    judged,
    logged,
    rows_of,
    summary_of,
)

# sum of 0.8^i s_i over the first of each class, by 1 + 0.8 + 0.64 = 2.44
UTILITIES = [(7 + 0.8 * 3) / 2.44, (1 + 8 + 2.56) / 2.44, 5 / 2.44]


def test_the_files_of_version_1_0(tmp_path: Path) -> None:
    run = logged(tmp_path)
    out = tmp_path / "out"
    assert write_leaderboard(out, run, judged(run), version="1.0") == out / "nb-curated" / "v1.0"
    assert sorted(everything(out)) == [
        "nb-curated/generations.jsonl", "nb-curated/v1.0/partitions.jsonl", "nb-curated/v1.0/scores.jsonl",
        "nb-curated/v1.0/summary.json",
    ]  # fmt: skip
    first = {
        "id": "curated-0",
        "prompt": "Tree 0?",
        "model": "org/m",
        "generations": ["Ash.", "Birch.", "An ash tree."],
        "partition": [0, 1, 0],
        "distinct": 2,
        "generation_scores": [7, 3, 0],
        "partition_scores": [7, 3],
        "utility": pytest.approx(UTILITIES[0], rel=1e-14),
    }
    rows = rows_of(out / "nb-curated/v1.0/scores.jsonl")
    assert rows[0] == first
    assert list(rows[0]) == list(first)
    assert [row["generation_scores"] for row in rows] == [[7, 3, 0], [1, 10, 4], [5, 0, 0]]
    assert [row["distinct"] for row in rows] == [2, 3, 1]
    partitions = rows_of(out / "nb-curated/v1.0/partitions.jsonl")
    assert [list(row) for row in partitions] == [list(first)[:6]] * 3
    assert rows_of(out / "nb-curated/generations.jsonl") == [
        {name: row[name] for name in list(first)[:4]} for row in rows
    ]
    assert summary_of(out / "nb-curated/v1.0") == {
        "mean_distinct": 2.0,
        "mean_utility": pytest.approx(sum(UTILITIES) / 3, rel=1e-14),
    }


def test_version_1_1_keeps_every_score_and_says_its_version(tmp_path: Path) -> None:
    run = logged(tmp_path)
    scores = [[7, 3, None], SCORES[1], SCORES[2]]  # a repeated response need not be scored
    folder = write_leaderboard(tmp_path / "out", run, judged(run, scores=scores), version="1.1")
    assert folder == tmp_path / "out/nb-curated/v1.1"
    rows = rows_of(folder / "scores.jsonl")
    assert [row["generation_scores"] for row in rows] == scores
    assert [row["partition_scores"] for row in rows] == [[7, 3], [1, 10, 4], [5]]
    assert summary_of(folder) == {
        "version": "1.1",
        "mean_distinct": 2.0,
        "mean_utility": pytest.approx(sum(UTILITIES) / 3, rel=1e-14),
    }


def test_classes_are_numbered_as_they_are_opened(tmp_path: Path) -> None:
    run = logged(tmp_path)
    folder = write_leaderboard(
        tmp_path / "out", run, judged(run, [[5, 2, 5], [2, 1, 0], [9, 9, 9]]), version="1.0"
    )
    rows = rows_of(folder / "scores.jsonl")
    assert [row["partition"] for row in rows] == CLASSES
    assert [row["partition_scores"] for row in rows] == [[7, 3], [1, 10, 4], [5]]


@given(data=st.data(), version=st.sampled_from(["1.0", "1.1"]))
def test_the_summary_is_what_the_rows_say(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, version: str
) -> None:
    """With numpy, from scores.jsonl alone, as the benchmark's script has it: over prompts with a utility."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    classes, scores = [], []
    for size in sizes:
        labels: list[int] = []
        for _ in range(size):
            labels.append(data.draw(st.integers(0, max(labels, default=-1) + 1)))
        known = data.draw(st.integers(0, 4)) > 0
        classes.append(labels if known else [*labels[:-1], UNKNOWN])
        scores.append(data.draw(st.lists(st.integers(1, 10) | st.none(), min_size=size, max_size=size)))
    folder = tmp_path_factory.mktemp("summary")
    run = logged(folder, [[f"r{i}" for i in range(size)] for size in sizes])
    written = write_leaderboard(folder / "out", run, judged(run, classes, scores), version=version)
    rows = rows_of(written / "scores.jsonl")
    summary = summary_of(written)
    for row, labels, given_scores in zip(rows, classes, scores, strict=True):
        heads = [labels.index(label) for label in sorted(set(labels))]
        whole = UNKNOWN not in labels and all(given_scores[head] is not None for head in heads)
        assert (row["utility"] is not None) == whole
        assert row["distinct"] == (None if UNKNOWN in labels else len(set(labels)))
        if whole:
            credited = [s if i in heads else 0 for i, s in enumerate(given_scores)]
            expected = np.average(np.array(credited, float), weights=0.8 ** np.arange(len(labels)))
            assert row["utility"] == pytest.approx(expected, rel=1e-12)
            assert row["partition_scores"] == [given_scores[head] for head in heads]
    scored = [row for row in rows if row["utility"] is not None]
    if scored:
        assert summary["mean_distinct"] == pytest.approx(np.mean([max(r["partition"]) + 1 for r in scored]))
        assert summary["mean_utility"] == pytest.approx(np.mean([r["utility"] for r in scored]))
    else:
        scored = [row for row in rows if row["distinct"] is not None]
        assert summary["mean_utility"] is None
        distinct = [row["distinct"] for row in scored]
        assert summary["mean_distinct"] == (pytest.approx(np.mean(distinct)) if distinct else None)
    lacking = len(rows) - len(scored)
    counts = {"unscored": lacking, "n_scored": len(scored)} if lacking else {}
    assert {k: v for k, v in summary.items() if not k.startswith("mean") and k != "version"} == counts
    assert "NaN" not in (written / "scores.jsonl").read_text() + (written / "summary.json").read_text()


def test_without_a_reward_model_there_is_no_utility(tmp_path: Path) -> None:
    run = logged(tmp_path)
    folder = write_leaderboard(tmp_path / "out", run, judged(run, scores=None), version="1.0")
    for row in rows_of(folder / "scores.jsonl"):
        assert (row["generation_scores"], row["partition_scores"], row["utility"]) == (None, None, None)
    assert summary_of(folder) == {"mean_distinct": 2.0, "mean_utility": None}


def test_a_prompt_that_is_not_known_is_null_and_in_no_mean(tmp_path: Path) -> None:
    run = logged(tmp_path)
    prompts = judged(run, [[0, 1, UNKNOWN], *CLASSES[1:]], [SCORES[0], [1, None, 4], SCORES[2]])
    prompts[0] = replace(prompts[0], unscored="the classifier gave nan")
    folder = write_leaderboard(tmp_path / "out", run, prompts, version="1.0")
    first, second, third = rows_of(folder / "scores.jsonl")
    assert [first[name] for name in ("partition", "distinct", "generation_scores", "partition_scores")] == (
        [None] * 4
    )
    assert (first["utility"], first["unscored"]) == (None, "the classifier gave nan")
    assert (second["distinct"], second["partition_scores"], second["utility"]) == (3, [1, None, 4], None)
    assert "unscored" not in third
    assert summary_of(folder) == {
        "mean_distinct": 1.0,
        "mean_utility": pytest.approx(UTILITIES[2]),
        "unscored": 2,
        "n_scored": 1,
    }


def test_prompts_without_responses_are_counted_in_the_summary(tmp_path: Path) -> None:
    run = logged(tmp_path, [*RESPONSES, [], [None, "[Blocked]"]])
    folder = write_leaderboard(tmp_path / "out", run, judged(run), version="1.0")
    assert len(rows_of(folder / "scores.jsonl")) == 3
    assert summary_of(folder)["without_responses"] == 2


ODD = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["a\u2028b", "a\x85b", "\ud83d", "x\r\ny\x1cz", '"\\', "\x00", "", "\ufeffa"]
)


@given(
    st.lists(
        st.tuples(ODD, st.lists(ODD, min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
        unique_by=lambda each: each[0],
    ),
    st.sampled_from(["curated", "wildchat"]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, list[str]]], subset: Any
) -> None:
    folder = tmp_path_factory.mktemp("round")
    run = logged(folder, [responses for _, responses in texts], ids=[f"n{name}" for name, _ in texts])
    classes = [list(range(len(responses))) for _, responses in texts]
    out = folder / "out"
    versioned = write_leaderboard(out, run, judged(run, classes, None), version="1.0", subset=subset)
    (found,) = read_logs([out])  # generations.jsonl, once
    for again in (
        found,
        *read_logs([versioned / "scores.jsonl"]),
        *read_logs([versioned / "partitions.jsonl"]),
    ):
        assert again.task == ("novelty_bench" if subset == "curated" else "novelty_bench_wildchat")
        assert (again.model, again.k, again.fields["data"]) == (run.model, run.k, run.fields["data"])
        assert [p.id for p in again.prompts] == [f"n{name}" for name, _ in texts]
        # What was judged, the cleaned responses, is what stands in the file.
        assert [p.raw_responses for p in again.prompts] == [p.responses for p in run.prompts]
        assert [p.prompt for p in again.prompts] == [p.prompt for p in run.prompts]


def test_a_model_that_is_not_known_stays_unknown(tmp_path: Path) -> None:
    run = logged(tmp_path, model=None)
    out = tmp_path / "out"
    write_leaderboard(out, run, judged(run), version="1.0")
    assert rows_of(out / "nb-curated/generations.jsonl")[0]["model"] is None
    assert [again.model for again in read_logs([out])] == [None]


@pytest.mark.parametrize(
    ("task", "ids", "subset", "folder"),
    [
        ("novelty_bench_base", ["a", "b", "c"], None, "nb-curated"),
        ("novelty_bench_wildchat_base", ["a", "b", "c"], None, "nb-wildchat"),
        ("mine", ["WildChat-a", "WildChat-b", "WildChat-c"], None, "nb-wildchat"),
        ("mine", ["curated-0", "curated-1", "curated-2"], None, "nb-curated"),
        ("novelty_bench", ["WildChat-a", "WildChat-b", "WildChat-c"], None, "nb-wildchat"),
        ("mine", [1, 2, 3], "wildchat", "nb-wildchat"),
    ],
)
def test_ids_or_task_or_the_user_tell_the_subset(
    tmp_path: Path, task: str, ids: list[Any], subset: Any, folder: str
) -> None:
    run = replace(logged(tmp_path, ids=ids), task=task)
    written = write_leaderboard(tmp_path / "out", run, judged(run), version="1.0", subset=subset)
    assert written.parent.name == folder


@pytest.mark.parametrize(
    ("ids", "changed", "options", "message"),
    [
        (["curated-0", None, None], {}, {}, 'generations.jsonl: 2 of 3 prompts have no id.*its "id", or run'),
        ([1, 2, 3], {"task": "mine"}, {}, "neither the ids nor the task mine tell .* or say curated or wild"),
        (["curated-0", "WildChat-a", "x"], {}, {}, "ids are of both subsets"),
        (None, {}, {"subset": "wildchat"}, "ids are of the subset curated, not wildchat"),
        (None, {}, {"subset": "other"}, "the subsets curated and wildchat, not other"),
        (None, {}, {"version": "2.0"}, r"versions 1\.0 and 1\.1, not 2\.0"),
        (None, {}, {"version": "../../x"}, "not ../../x"),
    ],
)
def test_what_is_missing_or_unknown_is_one_error(
    tmp_path: Path, ids: Any, changed: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    run = replace(logged(tmp_path, ids=ids), **changed)
    with pytest.raises(DiversityEvalError, match=message):
        write_leaderboard(tmp_path / "out", run, judged(run), **{"version": "1.0", **options})
    assert not (tmp_path / "out").exists()


def test_an_id_that_occurs_twice_is_an_error(tmp_path: Path) -> None:
    run = logged(tmp_path)
    prompts = judged(run)
    prompts[2] = replace(prompts[2], id="curated-0")
    with pytest.raises(DiversityEvalError, match="the id 'curated-0' occurs twice"):
        write_leaderboard(tmp_path / "out", run, prompts, version="1.0")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partition": [0, 1]}, "'curated-1': classes: 2, but expected 3"),
        ({"distinct": 2}, "'curated-1': distinct: 2, but expected 3"),  # the benchmark's off by one
        ({"generation_scores": [1, 2]}, "'curated-1': scores: 2, but expected 3"),
        ({"partition_scores": [1, 2, 3, 4]}, "'curated-1': class scores: 4, but expected 3"),
    ],
)
def test_values_that_do_not_fit_together_are_not_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    run = logged(tmp_path)
    prompts = judged(run)
    prompts[1] = replace(prompts[1], **changes)
    with pytest.raises(DiversityEvalError, match=message):
        write_leaderboard(tmp_path / "out", run, prompts, version="1.0")
    with pytest.raises(DiversityEvalError, match="need all 3 prompts, not 2"):
        write_leaderboard(tmp_path / "out", run, judged(run)[:2], version="1.0")
    assert not (tmp_path / "out").exists()


def test_numbers_that_are_none_are_written_as_null(tmp_path: Path) -> None:
    run = logged(tmp_path)
    prompts = [
        replace(prompt, utility=math.nan, generation_scores=[math.inf, 1, 2]) for prompt in judged(run)
    ]
    folder = write_leaderboard(tmp_path / "out", run, prompts, version="1.1")
    assert [(r["utility"], r["generation_scores"]) for r in rows_of(folder / "scores.jsonl")] == (
        [(None, [None, 1, 2])] * 3
    )


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    run = logged(tmp_path)
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(DiversityEvalError, match="NoveltyBench's files cannot be written"):
        write_leaderboard(tmp_path / "out", run, judged(run), version="1.0")
