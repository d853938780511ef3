"""Prompts and responses in JSONL, CSV and Parquet, through the reader that users reach."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import read_logs
from diversity_eval.prompting.cleanup import clean_response
from tests.logs.response_rows import content, only, write_csv, write_jsonl

PROMPTS = ["What floats?", "Who sings?"]
RESPONSES = [["A boat.", "A cork."], ["The wind.", "", "A kettle."]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("responses")


EXPECTED = list(zip(PROMPTS, RESPONSES, strict=True))


def test_every_form_gives_the_same_prompts_and_responses(tmp_path: Path) -> None:
    lists = [{"prompt": p, "responses": r} for p, r in EXPECTED]
    singles = [(p, r) for p, rs in EXPECTED for r in rs]
    mixed = [singles[0], singles[2], singles[1], *singles[3:]]  # prompts take turns
    table = {"prompt": PROMPTS, "responses": RESPONSES}
    pq.write_table(pa.table(table), tmp_path / "lists.parquet")
    pq.write_table(
        pa.table({"prompt": [p for p, _ in mixed], "response": [r for _, r in mixed]}),
        tmp_path / "single.parquet",
    )
    paths = [
        write_jsonl(tmp_path / "lists.jsonl", lists),
        write_jsonl(tmp_path / "single.jsonl", [{"prompt": p, "response": r} for p, r in mixed]),
        write_csv(
            tmp_path / "lists.csv", [["prompt", "responses"], *([p, json.dumps(r)] for p, r in EXPECTED)]
        ),
        write_csv(tmp_path / "single.csv", [["response", "prompt"], *([r, p] for p, r in mixed)]),
        tmp_path / "lists.parquet",
        tmp_path / "single.parquet",
        write_jsonl(tmp_path / "generations.jsonl", [{"prompt": p, "generations": r} for p, r in EXPECTED]),
    ]
    for path in paths:
        run = only(path)
        assert content(run) == EXPECTED, path.name
        assert [prompt.doc_id for prompt in run.prompts] == [0, 1]
        assert run.k == "2-3"
        assert (run.kind, run.prompt_field, run.model) == ("instruction", "prompt", None)


@given(
    st.lists(st.lists(st.text(st.characters(), max_size=12), min_size=1, max_size=4), min_size=1, max_size=4)
)
def test_any_text_survives_the_jsonl_form(folder: Path, responses: list[list[str]]) -> None:
    rows = [{"id": i, "prompt": f"p{i}", "responses": texts} for i, texts in enumerate(responses)]
    run = only(write_jsonl(folder / "any.jsonl", rows))
    assert [list(prompt.raw_responses) for prompt in run.prompts] == responses
    assert [prompt.id for prompt in run.prompts] == list(range(len(responses)))
    for prompt in run.prompts:
        assert list(prompt.responses) == [clean_response(text) for text in prompt.raw_responses]
        assert prompt.row["filtered_resps"] == [list(prompt.responses)]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=5))
def test_any_text_survives_the_csv_and_parquet_forms(folder: Path, responses: list[str]) -> None:
    pq.write_table(
        pa.table({"prompt": ["p"] * len(responses), "response": responses}), folder / "any.parquet"
    )
    write_csv(folder / "any.csv", [["prompt", "response"], *(["p", text] for text in responses)])
    for name in ("any.csv", "any.parquet"):
        assert content(only(folder / name)) == [("p", responses)]


def test_responses_are_cleaned_as_those_of_a_task_are(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "responses": ["  a<|eot_id|>b", "x<|response|>\ny<|/response|>z"]}]
    (prompt,) = only(write_jsonl(tmp_path / "a.jsonl", rows)).prompts
    assert prompt.responses == ("a", "y")
    assert prompt.raw_responses == ("  a<|eot_id|>b", "x<|response|>\ny<|/response|>z")


def test_rows_of_one_id_belong_together_and_equal_prompts_with_other_ids_do_not(tmp_path: Path) -> None:
    rows = [["id", "prompt", "response"], ["1", "p", "a"], ["2", "p", "b"], ["1", "p", "c"]]
    assert content(only(write_csv(tmp_path / "a.csv", rows))) == [("p", ["a", "c"]), ("p", ["b"])]


def test_lists_of_equal_prompts_without_ids_stay_apart(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "responses": ["a"]}, {"prompt": "p", "responses": ["b"]}]
    assert content(only(write_jsonl(tmp_path / "a.jsonl", rows))) == [("p", ["a"]), ("p", ["b"])]


def test_every_model_in_a_file_is_a_run_of_its_own(tmp_path: Path) -> None:
    rows = [
        {"id": f"curated-{i}", "prompt": p, "model": model, "generations": [f"{model} {i}", "x"]}
        for model in ("one/a", "two")
        for i, p in enumerate(PROMPTS)
    ]
    first, second = read_logs([write_jsonl(tmp_path / "generations.jsonl", rows)])
    assert (first.model, second.model) == ("one/a", "two")
    assert (first.task, first.kind) == ("novelty_bench", "instruction")
    assert content(second) == [(PROMPTS[0], ["two 0", "x"]), (PROMPTS[1], ["two 1", "x"])]
    rows = [{**row, "id": f"WildChat-{row['id']}"} for row in rows if row["model"] == "two"]
    assert only(write_jsonl(tmp_path / "generations.jsonl", rows)).task == "novelty_bench_wildchat"


def test_what_is_not_known_is_said_to_be_unknown(tmp_path: Path) -> None:
    rows = [{"prompt": p, "responses": ["a", "b"], "note": 3} for p in PROMPTS]
    run = only(write_jsonl(tmp_path / "mine.jsonl", rows))
    fields = run.signature_fields()
    digest = fields.pop("data")
    assert fields == {
        "task": "mine", "docs": "all 2", "k": "2", "temperature": "unknown", "top_p": "unknown",
        "top_k": "unknown", "max_new_tokens": "unknown", "prompt": "unknown", "version": "0.1.0",
    }  # fmt: skip
    assert run.prompts[0].row["doc"] == {"prompt": PROMPTS[0], "note": 3}
    other = only(
        write_jsonl(tmp_path / "other.jsonl", [{**row, "prompt": "Who?"} for row in rows[:1]] + rows[1:])
    )
    assert other.fields["data"] != digest
    assert run.first(1).signature_fields()["docs"] == "first 1 of 2"
    assert run.first(1).fields["data"] == digest


def test_saved_identical_responses_carry_their_task_s_name(tmp_path: Path) -> None:
    rows = [{"id": 0, "prompt": "Once.", "responses": ["a", "a"]}]
    path = write_jsonl(tmp_path / "identical_short_stories_256_20261124T101112_000000001.jsonl", rows)
    assert (only(path).task, only(path).kind) == ("short_stories_256", "story")
    assert only(tmp_path).task == "short_stories_256"


def test_kind_and_prompt_field_can_be_said(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"question": "Who?", "responses": ["a", "b"]}])
    run = only(path, kind="story", prompt_field="question")
    assert (run.kind, run.prompt_field, run.prompts[0].prompt) == ("story", "question", "Who?")


GOOD = {"id": 1, "prompt": "p", "responses": ["a"]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 2, "prompt": "p"}, "no \"responses\"; expected the fields .*; it has 'id', 'prompt'"),
        ({}, 'no "responses".*it has none'),
        ({"responses": ["a"]}, 'no "prompt"; expected'),
        ({"prompt": None, "responses": ["a"]}, r'"prompt" is missing \(null\); expected a text'),
        ({"prompt": ["p"], "responses": ["a"]}, '"prompt" is a list; expected a text'),
        ({"prompt": "p", "responses": "a"}, '"responses" is a text that is no JSON list.*column "response"'),
        ({"prompt": "p", "responses": {"a": 1}}, '"responses" is of the kind dict; expected a list'),
        ({"prompt": "p", "responses": []}, '"responses" is empty'),
        ({"prompt": "p", "responses": ["a", None]}, r'response 1 in "responses" is missing \(null\)'),
        ({"prompt": "p", "responses": None}, r'"responses" is missing \(null\); expected a list'),
        ({"prompt": "p", "responses": [7]}, 'response 0 in "responses" is a number'),
        ({"id": True, "prompt": "p", "responses": ["a"]}, '"id" is true or false'),
        ({"id": 1, "prompt": "q", "responses": ["a"]}, "the id 1 was in line 1 already"),
        ({"prompt": "p", "model": 3, "responses": ["a"]}, '"model" is a number; expected a name'),
    ],
)
def test_a_broken_row_is_one_error_with_file_and_line(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [GOOD, row, {"worse": True}])
    with pytest.raises(DiversityEvalError, match=message) as caught:
        read_logs([path])
    assert str(caught.value).startswith(f"{path}, line 2: ")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [["id", "prompt", "response"], ["1", "p", "a"], ["1", "q", "b"]],
            "line 3: the id '1' had another prompt",
        ),
        ([["prompt", "answer"], ["p", "a"]], "line 2: no \"responses\".*it has 'prompt', 'answer'"),
        ([["prompt", "responses"], ["p", '["a", 1]']], "line 2: response 1"),
    ],
)
def test_a_broken_table_is_one_error_with_file_and_line(
    tmp_path: Path, rows: list[list[str]], message: str
) -> None:
    path = write_csv(tmp_path / "a.csv", rows)
    with pytest.raises(DiversityEvalError, match=message):
        read_logs([path])


def test_a_parquet_file_with_an_empty_cell_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["p", "p"], "response": ["a", None]}), tmp_path / "a.parquet")
    with pytest.raises(DiversityEvalError, match=r'row 2: "response" is missing \(null\)'):
        read_logs([tmp_path / "a.parquet"])


def test_a_category_survives(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "p", "responses": ["a"], "category": category} for category in ("Games", "", 3, None)
    ]
    run = only(write_jsonl(tmp_path / "a.jsonl", [*rows, {"prompt": "p", "responses": ["a"]}]))
    assert [prompt.categories for prompt in run.prompts] == [("Games",), (), (), (), ()]
