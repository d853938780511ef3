import json
from pathlib import Path

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.report import load_runs
from diversity_eval.report.rows import group_rows
from tests.report.runs import write_run


def test_runs_of_one_checkpoint_are_one_row(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "org/m-ce", {"self_bleu": [1.0, 2.0]})
    write_run(tmp_path / "b", "org/m-ce", {"self_bleu": [3.0, 4.0]}, task="small_prompts")
    (row,) = load_runs([tmp_path / "a", tmp_path / "b"]).rows
    assert (row.label, row.model, row.loss, row.evaluations) == ("m-ce", "m", "ce", (0, 1))


def test_the_same_values_again_with_a_judge_s_beside_are_one_row(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", {"self_bleu": [1.0, 2.0]})
    write_run(tmp_path / "scored", "m", {"self_bleu": [1.0, 2.0], "quality": [4.0, 5.0]})
    runs = load_runs([tmp_path / "a", tmp_path / "scored"])
    (row,) = runs.rows
    assert runs.warnings == ()
    assert [sorted(runs.evaluations[place].metrics) for place in row.evaluations] == [
        ["self_bleu"],
        ["quality"],
    ]


def test_two_runs_with_one_name_and_other_values_are_two_rows(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", {"self_bleu": [1.0, 2.0]})
    write_run(tmp_path / "b", "m", {"self_bleu": [1.5, 2.0]})
    runs = load_runs([tmp_path / "a", tmp_path / "b"])
    assert [row.label for row in runs.rows] == ["m", "m (2)"]
    (warning,) = runs.warnings
    assert "two runs are called m" in warning
    assert "--name PATH=LABEL" in warning
    named = load_runs([tmp_path / "a", tmp_path / "b"], names={str(tmp_path / "b"): "again"})
    assert [row.label for row in named.rows] == ["m", "again"]
    assert named.warnings == ()


def test_what_the_trainer_says_counts_before_what_a_name_sounds_like(tmp_path: Path) -> None:
    results = write_run(tmp_path, "runs/gem-7b", {"self_bleu": [1.0]})
    content = json.loads(results.read_text())
    record = content["configs"]["short_stories"]["metadata"]["diversity_eval"]
    record["training"] = {"loss": "tofu", "model": "org/gem-7b-base"}
    results.write_text(json.dumps(content))
    (row,) = load_runs([tmp_path]).rows
    assert (row.label, row.loss, row.parameters) == ("gem-7b", "tofu", {"gamma": 3.0, "beta": 0.8})
    (row,) = load_runs([tmp_path], names={str(tmp_path): "ours, focal"}).rows
    assert row.loss == "tofu"


def test_another_way_of_measuring_is_no_contradiction(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "m", {"self_bleu": [1.0, 2.0]})
    write_run(tmp_path / "b", "m", {"self_bleu": [7.0, 8.0]}, fields={"max_new_tokens": "256"})
    assert [row.label for row in load_runs([tmp_path]).rows] == ["m"]


def test_short_names_tell_checkpoints_apart(tmp_path: Path) -> None:
    for number, model in enumerate(
        ["runs/a/merged", "runs/b/merged", "org/x", "other/x", "solo/checkpoint-500"]
    ):
        write_run(tmp_path / str(number), model, {"self_bleu": [float(number)]})
    runs = load_runs([tmp_path / str(number) for number in range(5)])
    assert [row.label for row in runs.rows] == [
        "a/merged",
        "b/merged",
        "org/x",
        "other/x",
        "solo/checkpoint-500",
    ]


def test_a_name_for_a_folder_above_and_the_nearer_one_wins(tmp_path: Path) -> None:
    write_run(tmp_path / "all" / "a", "a", {"self_bleu": [1.0]})
    write_run(tmp_path / "all" / "b", "b", {"self_bleu": [2.0]})
    names = {str(tmp_path / "all"): "both", str(tmp_path / "all" / "b"): "second"}
    assert [row.label for row in load_runs([tmp_path / "all"], names=names).rows] == ["both", "second"]


def test_a_name_for_nothing_is_an_error(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "a", {"self_bleu": [1.0]})
    with pytest.raises(DiversityEvalError, match=r"--name .*elsewhere=x: no run was read from"):
        load_runs([tmp_path / "a"], names={"elsewhere": "x"})


def test_groups_are_means_over_models_by_loss(tmp_path: Path) -> None:
    for model in ("Qwen3-8B", "Phi-4", "Llama"):
        for loss in ("ce", "tofu"):
            write_run(tmp_path / f"{model}-{loss}", f"org/{model}-{loss}", {"asr": [1.0]}, task="harmbench")
    rows = load_runs([tmp_path]).rows
    groups = group_rows(rows, {"safe": ["qwen*", "Phi-4"], "unsafe": ["Llama"]})
    assert [(row.label, row.model, row.loss, len(row.members)) for row in groups] == [
        ("safe, ce (mean of 2)", "safe", "ce", 2),
        ("safe, tofu (mean of 2)", "safe", "tofu", 2),
        ("unsafe, ce (mean of 1)", "unsafe", "ce", 1),
        ("unsafe, tofu (mean of 1)", "unsafe", "tofu", 1),
    ]
    with pytest.raises(
        DiversityEvalError, match=r"--group safe: no model matches 'Gemma\*'; the models are Llama"
    ):
        group_rows(rows, {"safe": ["Gemma*"]})
