"""NoveltyBench's generations as they really are: with blocked and missing ones, or taken out altogether."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import read_logs
from tests.logs.response_rows import content, only, write_csv, write_jsonl


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generations")


def generations(folder: Path, *values: Any, **fields: Any) -> Path:
    """A file as NoveltyBench's scripts write it."""
    rows = [
        {"id": f"curated-{i}", "prompt": f"p{i}", "model": "m", "generations": value, **fields}
        for i, value in enumerate(values)
    ]
    return write_jsonl(folder / "generations.jsonl", rows)


def test_missing_generations_are_left_out_counted_and_said(tmp_path: Path) -> None:
    path = generations(
        tmp_path,
        ["a", None, "b", "[Blocked]"],
        [],
        ["c", "", "[blocked]", "d"],
        None,
        [None, None],
        ["e", None],
    )
    warnings: list[str] = []
    run = only(path, warn=warnings.append)
    assert content(run) == [("p0", ["a", "b"]), ("p2", ["c", "", "[blocked]", "d"]), ("p5", ["e"])]
    assert [(prompt.id, prompt.doc_id, prompt.missing) for prompt in run.prompts] == [
        ("curated-0", 0, 2), ("curated-2", 2, 0), ("curated-5", 5, 1),
    ]  # fmt: skip
    assert (run.left_out, run.available, run.k) == (3, 6, "1-4")
    assert run.signature_fields()["docs"] == "3 of 6"
    assert warnings == [
        f"{path}, model m: left out 3 missing responses (null or [Blocked]) of 2 prompts and 3 prompts of 6 "
        "without any response; all figures are over the rest"
    ]
    first = run.first(2)
    assert (first.left_out, first.signature_fields()["docs"]) == (0, "first 2 of 3 of 6")


def test_one_missing_response_is_said_in_the_singular_and_none_not_at_all(tmp_path: Path) -> None:
    warnings: list[str] = []
    path = generations(tmp_path, ["a", None], ["b", "c"])
    assert only(path, warn=warnings.append).left_out == 0
    assert warnings == [
        f"{path}, model m: left out 1 missing response (null or [Blocked]) of 1 prompt; all figures are over "
        "the rest"
    ]
    run = only(generations(tmp_path, ["a", "", "c"], ["b", "c"]), warn=warnings.append)
    assert (len(warnings), run.k, run.signature_fields()["docs"]) == (1, "2-3", "all 2")


@given(
    st.lists(
        st.lists(st.none() | st.just("[Blocked]") | st.text(max_size=3), max_size=4), min_size=1, max_size=5
    )
)
def test_every_entry_is_a_response_or_counted_as_missing(folder: Path, values: list[list[Any]]) -> None:
    had = [[text for text in value if isinstance(text, str) and text != "[Blocked]"] for value in values]
    path = generations(folder, *values)
    if not any(had):
        with pytest.raises(DiversityEvalError, match=r"none of the \d prompts of m has a response; generate"):
            read_logs([path])
        return
    run = only(path)
    assert [list(prompt.raw_responses) for prompt in run.prompts] == [texts for texts in had if texts]
    assert len(run.prompts) + run.left_out == len(values)
    kept = [value for value, texts in zip(values, had, strict=True) if texts]
    assert [len(p.raw_responses) + p.missing for p in run.prompts] == [len(value) for value in kept]


def test_each_model_lacks_its_own(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "curated-0", "prompt": "p", "model": "one", "generations": ["a", "b"]},
        {"id": "curated-0", "prompt": "p", "model": "two", "generations": ["a", None]},
    ]
    warnings: list[str] = []
    one, two = read_logs([write_jsonl(tmp_path / "generations.jsonl", rows)], warn=warnings.append)
    assert (one.prompts[0].missing, two.prompts[0].missing) == (0, 1)
    (warning,) = warnings
    assert "model two" in warning


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", '"generations" is a text that is no JSON list'),
        (7, '"generations" is a number; expected a list of texts'),
        (["a", None, 7], 'response 2 in "generations" is a number'),
        ([["a"]], 'response 0 in "generations" is a list'),
        ([{"text": "a"}], 'response 0 in "generations" is of the kind dict'),
    ],
)
def test_generations_of_another_form_are_errors(tmp_path: Path, value: Any, message: str) -> None:
    path = generations(tmp_path, ["a", "b"], value)
    with pytest.raises(DiversityEvalError, match=message) as caught:
        read_logs([path])
    assert str(caught.value).startswith(f"{path}, line 2: ")


def test_a_row_without_generations_is_an_error(tmp_path: Path) -> None:
    path = generations(tmp_path, ["a", "b"])
    with path.open("a") as file:
        file.write('{"id": "curated-1", "prompt": "p1", "model": "m"}\n')
    with pytest.raises(DiversityEvalError, match='line 2: no "generations"; expected'):
        read_logs([path])


@pytest.mark.parametrize("field", ["partition", "generation_scores", "utility"])
def test_a_slim_file_says_that_the_responses_are_elsewhere(tmp_path: Path, field: str) -> None:
    row = {"id": "curated-0", "prompt": "p", "model": "m", field: [0, 1]}
    path = write_jsonl(tmp_path / "scores.jsonl", [row])
    message = (
        f'line 1: it has "{field}" but no "generations": the responses were taken out.*generations.jsonl'
    )
    with pytest.raises(DiversityEvalError, match=message):
        read_logs([path])


def test_a_csv_of_generations_may_lack_some(tmp_path: Path) -> None:
    rows = [["prompt", "generations"], ["p", '["a", null, "b"]'], ["q", "[]"], ["r", "null"]]
    run = only(write_csv(tmp_path / "a.csv", rows))
    assert content(run) == [("p", ["a", "b"])]
    assert (run.prompts[0].missing, run.left_out) == (1, 2)


@pytest.mark.parametrize(
    ("path", "ids", "task"),
    [
        ("nb-wildchat/generations.jsonl", ["a", "b"], "novelty_bench_wildchat"),
        ("nb-wildchat/v1.0/scores.jsonl", ["a", "b"], "novelty_bench_wildchat"),
        ("nb-curated/v1.1/partitions.jsonl", ["a", "b"], "novelty_bench"),
        ("nb-curated/scores.jsonl", ["WildChat-a", "WildChat-b"], "novelty_bench_wildchat"),
        ("scores.jsonl", ["a", "b"], "novelty_bench"),
    ],
)
def test_ids_or_the_folder_tell_the_subset(tmp_path: Path, path: str, ids: list[str], task: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    rows = [{"id": name, "prompt": "p", "generations": ["a", "b"], "distinct": 2} for name in ids]
    assert only(write_jsonl(tmp_path / path, rows)).task == task
    rows = [{"id": name, "prompt": "p", "responses": ["a", "b"]} for name in ids]
    other = write_jsonl(tmp_path / path, rows)
    assert (only(other).task == task) == (other.stem == "generations")
