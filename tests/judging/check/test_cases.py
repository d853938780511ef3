import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diversity_eval.data.resolve import LoadedRows, Provenance
from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.check import cases as module
from diversity_eval.judging.check.cases import read_cases, reference_cases

ROWS: list[dict[str, Any]] = [
    {"prompt": "Name a bird.", "responses": ["A wren.", "An owl."], "score": [4, None]},
    {"prompt": "Name a fish.", "responses": ["A carp."], "score": 2.5},
    {"prompt": "Name a tree.", "responses": ["An oak.", "A lime."]},
]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def fake_rows(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]], *, part: bool) -> None:
    provenance = Provenance("made", "folder", "here", None, len(rows), None, "0" * 64, "unknown", part)
    monkeypatch.setattr(module, "load_rows", lambda name: LoadedRows(rows, provenance))


def test_stories_are_the_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_rows(monkeypatch, [{"prompt": f"p{i}", "response": f"r{i}"} for i in range(9)], part=False)
    found = reference_cases("story", limit=2, seed=0)
    assert [(c.id, c.kind, c.prompt, c.response) for c in found.cases] == [
        ("short_stories/0", "story", "p0", "r0"),
        ("short_stories/1", "story", "p1", "r1"),
    ]
    assert found.record["provenance"]["rows_sha256"] == "0" * 64


def test_instructions_are_drawn_from_the_random_part_of_a_data_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"instruction": f"do {i}", "input": "", "output": f"done {i}"} for i in range(9_400)]
    rows[7]["output"] = " "
    fake_rows(monkeypatch, rows, part=True)
    found = reference_cases("instruction", limit=9_300, seed=0)
    assert [case.id for case in found.cases] == [f"alpaca_train/{i}" for i in range(9_225) if i != 7]
    some = [reference_cases("instruction", limit=20, seed=seed).cases for seed in (0, 0, 1)]
    assert some[0] == some[1]
    assert some[0] != some[2]
    fake_rows(monkeypatch, rows, part=False)  # all of Alpaca, from the Hub
    assert len(reference_cases("instruction", limit=10_000, seed=0).cases) == 9_399


def test_an_input_follows_the_instruction_unless_it_says_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = ["a cat", "", "<noinput>", "N/A", "No input."]
    rows = [{"instruction": "Translate.", "input": text, "output": "fait"} for text in inputs]
    fake_rows(monkeypatch, rows, part=True)
    found = reference_cases("instruction", limit=5, seed=0).cases
    assert [case.prompt for case in found] == ["Translate.\n\na cat", *["Translate."] * 4]


def test_other_kinds_have_no_reference_responses() -> None:
    with pytest.raises(DiversityEvalError, match="'poem', only story and instruction"):
        reference_cases("poem", limit=1, seed=0)


def test_the_project_s_own_data(data_folder: Path) -> None:
    for kind in ("story", "instruction"):
        found = reference_cases(kind, limit=30, seed=0)
        assert len({case.id for case in found.cases}) == len(found.cases) == 30
        assert all(case.prompt.strip() and case.response.strip() for case in found.cases)


def test_lists_of_responses_with_ratings(tmp_path: Path) -> None:
    (found,) = read_cases([jsonl(tmp_path / "birds.jsonl", ROWS)], human="score", limit=50)
    assert [(c.id, c.response, c.human) for c in found.cases] == [
        ("birds/0/0", "A wren.", 4),
        ("birds/0/1", "An owl.", None),
        ("birds/1/0", "A carp.", 2.5),
        ("birds/2/0", "An oak.", None),
        ("birds/2/1", "A lime.", None),
    ]
    assert {case.kind for case in found.cases} == {"instruction"}
    assert found.record["human_ratings"] == 2
    (limited,) = read_cases([tmp_path / "birds.jsonl"], kind="story", limit=1)
    assert [(c.kind, c.human) for c in limited.cases] == [("story", None)] * 2
    assert "1 of 3 prompts" in limited.description


def single_rows() -> list[dict[str, Any]]:
    """A row per response, each with a rating; the rows of a prompt are not together."""
    return [
        {"prompt": "Name a bird.", "response": "A wren.", "score": "4"},
        {"prompt": "Name a fish.", "response": "A carp.", "score": "1"},
        {"prompt": "Name a bird.", "response": "An owl.", "score": ""},
        {"prompt": "Name a bird.", "response": "A wren.", "score": "2.5"},
    ]


SINGLE = [("A wren.", 4), ("An owl.", None), ("A wren.", 2.5), ("A carp.", 1)]


def test_rows_of_single_responses_keep_each_its_rating(tmp_path: Path) -> None:
    rows = single_rows()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / "single.csv").write_text(text.getvalue(), encoding="utf-8")
    jsonl(tmp_path / "single.jsonl", rows)
    numbers = [{**row, "score": float(row["score"]) if row["score"] else float("nan")} for row in rows]
    pq.write_table(pa.Table.from_pylist(numbers), tmp_path / "single.parquet")
    for ending in ("csv", "jsonl", "parquet"):
        (found,) = read_cases([tmp_path / f"single.{ending}"], human="score", limit=50)
        assert [(case.response, case.human) for case in found.cases] == SINGLE, ending


def test_models_in_one_file_keep_their_own_ratings(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "responses": ["same"], "model": model, "score": score}
        for model, score in (("a", 1), ("b", 5))
    ]
    first, second = read_cases([jsonl(tmp_path / "two.jsonl", rows)], human="score", limit=50)
    assert [case.human for case in (*first.cases, *second.cases)] == [1, 5]
    assert [case.id for case in (*first.cases, *second.cases)] == ["two/a/0/0", "two/b/0/0"]


def test_a_csv_with_lists(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    path.write_text('prompt,responses,score\np,"[""x"", ""y""]","[1, null]"\n', encoding="utf-8")
    (found,) = read_cases([path], human="score", limit=50)
    assert [(case.response, case.human) for case in found.cases] == [("x", 1), ("y", None)]


def test_sample_logs_with_ratings_in_their_documents(tmp_path: Path) -> None:
    row = {
        "doc_id": 0,
        "doc": {"instruction": "Name a bird.", "score": [1, 5]},
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": "Name a bird.", "arg_1": {"until": []}}},
        "resps": [["A wren.", "An owl."]],
        "filtered_resps": [["A wren.", "An owl."]],
        "filter": "none",
    }
    path = jsonl(tmp_path / "samples_small_prompts_2026-01-02T03-04-05.000000.jsonl", [row])
    (found,) = read_cases([path], human="score", limit=50)
    assert [(case.prompt, case.response, case.human) for case in found.cases] == [
        ("Name a bird.", "A wren.", 1),
        ("Name a bird.", "An owl.", 5),
    ]


def test_generations_that_are_missing_take_no_rating(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "Name a bird.", "generations": ["A wren.", None, "An owl."], "score": [1, None, 5]},
        {"prompt": "Name a fish.", "generations": None},
        {"prompt": "Name a tree.", "generations": [], "score": []},
    ]
    (found,) = read_cases([jsonl(tmp_path / "generations.jsonl", rows)], human="score", limit=50)
    assert [(case.response, case.human) for case in found.cases] == [("A wren.", 1), ("An owl.", 5)]


def test_ids_differ_between_files_of_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        jsonl(tmp_path / name / "birds.jsonl", ROWS)
    sets = read_cases([tmp_path / "a/birds.jsonl", tmp_path / "b/birds.jsonl"], limit=50)
    ids = [case.id for found in sets for case in found.cases]
    assert len(set(ids)) == len(ids) == 10


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "1 ratings for 2 responses"),
        (3, "1 ratings for 2 responses"),
        (["good", 2], "'good'; expected a number"),
        ([True, 2], "True; expected a number"),
        ("[1, 2", "no JSON list"),
    ],
)
def test_ratings_that_do_not_fit(tmp_path: Path, value: object, message: str) -> None:
    path = jsonl(tmp_path / "bad.jsonl", [{"prompt": "p", "responses": ["a", "b"], "score": value}])
    with pytest.raises(DiversityEvalError, match=r"bad\.jsonl, line 1: 'score'") as caught:
        read_cases([path], human="score", limit=50)
    assert message in str(caught.value)


def test_a_field_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="--human stars: no response has a rating"):
        read_cases([jsonl(tmp_path / "birds.jsonl", ROWS)], human="stars", limit=50)
