from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report import load_runs
from diversity_eval.report.joining import Joined, join
from diversity_eval.report.protocols import PROTOCOLS
from tests.report.runs import leaderboard, novelty_run, write_run


def joined(folder: Path, **options: object) -> tuple[dict[str, Joined], list[str]]:
    runs = load_runs([folder])
    columns, warnings = join(runs.rows, runs.evaluations, **options)  # type: ignore[arg-type]
    return {each.column.key: each for each in columns}, warnings


def names(each: Joined) -> list[str]:
    return [result.row for result in each.results]


def run(folder: Path, name: str, **fields: str) -> None:
    write_run(folder / name, name, {"self_bleu": [1.0 + len(name), 2.0]}, fields=fields)


def test_equal_signatures_share_a_column(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "bb")
    columns, warnings = joined(tmp_path)
    assert list(columns) == ["short_stories/self_bleu"]
    each = columns["short_stories/self_bleu"]
    assert (names(each), each.column.notes, each.column.variant) == (["a", "bb"], (), "")
    assert each.column.headline
    assert each.column.higher_is_better is False
    assert each.column.signature["temperature"] == "1"
    assert warnings == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("k", "16"), ("temperature", "0.3"), ("max_new_tokens", "256"), ("data", "ffffffffffff"),
    ("prompt", "plain"),
     ("top_k", "50"), ("task", "short_stories@2.0"), ("checkpoint.num_beams", "4"), ("tokenizer", "intl")],
)  # fmt: skip
def test_any_difference_in_how_a_number_came_about_makes_a_column_of_its_own(
    tmp_path: Path, key: str, value: str
) -> None:
    run(tmp_path, "a")
    run(tmp_path, "bb")
    write_run(tmp_path / "ccc", "ccc", {"self_bleu": [9.0, 2.0]}, fields={key: value} if key != "k" else {},
              responses=[["x"] * 16, ["y"] * 16] if key == "k" else None)  # fmt: skip
    if key == "tokenizer":  # the metric's own field
        path = next((tmp_path / "ccc").glob("results_*"))
        path.write_text(path.read_text().replace("tokenizer:13a", "tokenizer:intl"))
    columns, (warning,) = joined(tmp_path)
    assert names(columns["short_stories/self_bleu"]) == ["a", "bb"]
    assert names(columns["short_stories/self_bleu~2"]) == ["ccc"]
    assert f"{key} {value}" in columns["short_stories/self_bleu~2"].column.variant
    assert warning.startswith("Short Stories: not in one column, because the runs differ in")
    assert f"{key}: " in warning
    assert f"{value} (ccc)" in warning
    with pytest.raises(DiversityEvalError, match=r"not strictly comparable: .*ccc"):
        joined(tmp_path, strict=True)


def test_an_allowed_difference_is_joined_and_said(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "bb", temperature="0.3")
    columns, warnings = joined(tmp_path, allowed=["temperature"])
    (each,) = columns.values()
    assert names(each) == ["a", "bb"]
    assert each.column.notes == ("temperature differs: 1 (a), 0.3 (bb); allowed",)
    assert "temperature" not in each.column.signature
    assert warnings == []
    with pytest.raises(DiversityEvalError, match="temperature differs"):
        joined(tmp_path, allowed=["temperature"], strict=True)


def test_versions_of_software_are_said_but_do_not_split(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "bb", lm_eval="0.4.14")
    columns, warnings = joined(tmp_path)
    (each,) = columns.values()
    assert each.column.notes == ("lm_eval differs: 0.4.13 (a), 0.4.14 (bb)",)
    assert warnings == []
    with pytest.raises(DiversityEvalError, match="lm_eval differs"):
        joined(tmp_path, strict=True)


def test_what_a_log_does_not_say_is_joined_with_a_note(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "bb", temperature="unknown", top_p="unknown")
    columns, warnings = joined(tmp_path)
    (each,) = columns.values()
    assert each.column.notes == ("bb: temperature, top_p not known",)
    assert warnings == []


def test_what_a_log_does_not_say_joins_the_first_of_several_columns_only(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "bb", max_new_tokens="256")
    run(tmp_path, "ccc", max_new_tokens="unknown")
    columns, _ = joined(tmp_path)
    assert sorted(map(names, columns.values())) == [["a", "ccc"], ["bb"]]


def test_leaderboard_files_stand_beside_our_runs_over_the_same_prompts(tmp_path: Path) -> None:
    novelty_run(tmp_path / "a")
    leaderboard(tmp_path / "nb-curated" / "v1.0", ["prompt 0", "prompt 1"])
    columns, warnings = joined(tmp_path)
    assert {key: names(each) for key, each in columns.items()} == {
        "novelty_bench/distinct": ["ours", "other"], "novelty_bench/utility": ["ours", "other"]
    }  # fmt: skip
    (note,) = columns["novelty_bench/distinct"].column.notes
    assert note.startswith("other: ")
    assert "temperature" in note
    assert "data" in note
    assert warnings == []


def test_prompts_of_one_name_with_other_texts_are_never_paired(tmp_path: Path) -> None:
    novelty_run(tmp_path / "a")
    leaderboard(tmp_path / "nb-curated" / "v1.0", ["prompt 0", "quite another one"])
    columns, (warning,) = joined(tmp_path)
    assert [names(each) for each in columns.values()] == [["ours"], ["other"], ["ours"], ["other"]]
    assert "prompts: " in warning
    # Nor by an allowed difference in the data.
    write_run(tmp_path / "b", "mine", {"self_bleu": [1.0, 2.0]})
    write_run(tmp_path / "c", "yours", {"self_bleu": [3.0, 4.0]}, fields={"data": "ffffffffffff"})
    log = next((tmp_path / "c").glob("samples_*"))
    log.write_text(log.read_text().replace('"prompt 1"', '"prompt one"'))
    columns, _ = joined(tmp_path, allowed=["data"])
    assert names(columns["short_stories/self_bleu"]) == ["mine"]


def test_one_checkpoint_measured_in_two_ways_has_two_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", {"self_bleu": [1.0]})
    write_run(tmp_path / "b", "m", {"self_bleu": [2.0]}, fields={"max_new_tokens": "256"})
    columns, _ = joined(tmp_path)
    assert [each.column.variant for each in columns.values()] == ["max_new_tokens 64", "max_new_tokens 256"]


def test_the_paper_s_protocol_joins_base_checkpoints_and_two_temperatures_in_math(tmp_path: Path) -> None:
    write_run(
        tmp_path / "base", "base", {"self_bleu": [1.0]}, task="short_stories_base", fields={"prompt": "plain"}
    )
    run(tmp_path, "ce")
    coverage = {"coverage": [1.0]}
    write_run(tmp_path / "ce", "ce", coverage, task="math500_coverage", time="2026-11-26T11-00-00")
    write_run(tmp_path / "tofu", "tofu", coverage, task="math500_coverage", fields={"temperature": "0.3"})
    columns, warnings = joined(tmp_path, protocol=PROTOCOLS["paper"])
    assert {key: names(each) for key, each in columns.items()} == {
        "short_stories/self_bleu": ["base", "ce"],
        "math500_coverage/coverage": ["ce", "tofu"],
    }
    assert columns["math500_coverage/coverage"].column.notes == (
        "temperature differs: 1 (ce), 0.3 (tofu); allowed",
    )
    notes = columns["short_stories/self_bleu"].column.notes
    assert any(note.startswith("prompt differs: plain (base), chat@4e28a51badb6 (ce)") for note in notes)
    assert warnings == []
    # Another number of tokens is no part of the protocol, nor is another temperature for stories.
    run(tmp_path, "hot", temperature="1.5")
    run(tmp_path, "newer", task="short_stories@2.0")
    columns, (warning,) = joined(tmp_path, protocol=PROTOCOLS["paper"])
    assert "task: short_stories@1.0 (base, ce, hot), short_stories@2.0 (newer)" in warning
    assert "temperature: 1 (base, ce, newer), 1.5 (hot)" in warning


def test_base_checkpoints_in_tasks_of_their_own_are_pointed_to_the_protocol(tmp_path: Path) -> None:
    write_run(tmp_path / "base", "base", {"self_bleu": [1.0]}, task="short_stories_base")
    run(tmp_path, "ce")
    columns, (warning,) = joined(tmp_path)
    assert len(columns) == 2
    assert "--protocol paper sets them beside the others" in warning


def test_columns_stand_in_the_suite_s_order_with_the_leaderboard_s_metrics_first(tmp_path: Path) -> None:
    write_run(tmp_path / "x", "m", {"self_bleu": [1.0], "asr": [1.0]}, task="harmbench")
    write_run(tmp_path / "y", "m", {"mean_words": [5.0], "self_bleu": [1.0], "quality": [1.0]})
    columns, _ = joined(tmp_path)
    assert [(each.column.key, each.column.headline) for each in columns.values()] == [
        ("short_stories/self_bleu", True),
        ("short_stories/quality", True),
        ("short_stories/mean_words", False),
        ("harmbench/asr", True),
        ("harmbench/self_bleu", False),
    ]
