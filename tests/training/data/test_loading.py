import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import TrainingSet, load_training_set, report_lines
from diversity_eval.training.settings import TrainSettings
from tests.training.data.tokenizers import byte_level

TOKENIZER = byte_level(adds_begin=True)


def load(dataset: str | Path, **kwargs: Any) -> TrainingSet:
    found = load_training_set(TrainSettings(dataset=str(dataset), **kwargs), TOKENIZER)
    report = found.report
    assert report.read == report.used + sum(report.left_out.values())
    assert report.used == len(found.rows)
    assert all(len(row.input_ids) == len(row.labels) for row in found.rows)
    return found


def written(folder: Path, rows: list[Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def pair(prompt: str = "What floats?", response: str = "The boat.") -> dict[str, str]:
    return {"prompt": prompt, "response": response}


def numbers(found: TrainingSet) -> list[int]:
    return [int(row.place.rsplit(" ", 1)[1]) for row in found.rows]


BAD: list[Any] = [
    "not json",
    [1],
    {"prompt": "a"},
    pair(response=" "),
    pair(prompt=""),
    {"prompt": "a", "response": 3},
    pair("a <|input|> b"),
    pair(response="ends </s>"),
    pair(response="\ud800"),
    pair("x" * 900),
]
REASONS = [
    "not JSON",
    "not an object",
    "missing field 'response'",
    "empty response",
    "empty prompt",
    "wrong type of 'response'",
    "contains a delimiter",
    "contains a special token's text",
    "contains half a surrogate pair",
    "prompt too long",
]


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    path = written(tmp_path, [pair(), *BAD, "", pair("Who?", "x" * 900)])
    found = load(path, max_length=500)
    assert numbers(found) == [1, 13]
    assert found.report.read == 12
    assert found.report.left_out == dict.fromkeys(REASONS, 1)
    assert found.report.noted == {"response cut": 1}
    assert found.report.examples == {
        reason: [f"{path} line {number}"] for number, reason in enumerate(REASONS, 2)
    } | {"response cut": [f"{path} line 13"]}
    assert len(found.rows[1].input_ids) == 500
    lines = report_lines(found.report)
    assert lines[0] == "12 rows read, 2 used"
    assert f"left out, empty prompt: 1 ({path} line 6)" in lines
    assert lines[-1] == f"noted, response cut: 1 ({path} line 13)"
    assert len(lines) == 12


@pytest.mark.parametrize("place", range(len(BAD)))
def test_strict_stops_at_the_first(tmp_path: Path, place: int) -> None:
    path = written(tmp_path, [pair(), BAD[place], BAD[0]])
    with pytest.raises(DiversityEvalError, match="without strict") as caught:
        load(path, strict=True, max_length=500)
    # The third is known to be bad before the length of the second is.
    number, reason = (3, "not JSON") if REASONS[place] == "prompt too long" else (2, REASONS[place])
    assert str(caught.value).startswith(f"{path} line {number}: {reason};")


def test_strict_does_not_mind_what_was_asked_for(data_folder: Path, tmp_path: Path) -> None:
    assert load("ultrafeedback", strict=True, first_rows=20, max_length=10_000).report.left_out[
        "score below 7"
    ]
    assert load("numina_math_cot", strict=True, first_rows=20).report.left_out["no boxed answer"]
    path = written(tmp_path, [pair(), pair(response="x" * 900)])
    dropped = load(path, strict=True, max_length=500, overlong="drop")
    assert dropped.report.left_out == {"response too long": 1}
    with pytest.raises(DiversityEvalError, match="line 2: prompt too long"):
        load(written(tmp_path, [pair(), BAD[-1]]), strict=True, max_length=500, overlong="drop")


def test_only_the_first_rows_are_examples(tmp_path: Path) -> None:
    path = written(tmp_path, [pair(), *[pair("")] * 5])
    assert load(path).report.examples == {"empty prompt": [f"{path} line {number}" for number in (2, 3, 4)]}


def test_no_usable_row_tells_why(tmp_path: Path) -> None:
    path = written(tmp_path, [pair(response=""), pair(response="\n"), pair("")])
    with pytest.raises(DiversityEvalError, match="no row can be trained on") as caught:
        load(path)
    assert "3 rows read, 0 used; left out, empty response: 2" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("max_length", 1), ("max_length", -5), ("max_rows", 0), ("first_rows", 0)]
)
def test_settings_that_leave_nothing(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(DiversityEvalError, match=rf"{name} must be . or more.*not {value}"):
        load(written(tmp_path, [pair()]), **{name: value})


def test_the_report_is_in_order_of_size() -> None:
    from diversity_eval.training.data import DataReport

    report = DataReport(
        read=21_010,
        used=20_000,
        left_out={"empty prompt": 10, "empty response": 1_000},
        noted={"response cut": 2},
        examples={"empty response": ["row 1", "row 2", "row 3"], "response cut": ["row 4", "row 5"]},
    )
    assert report_lines(report) == [
        "21,010 rows read, 20,000 used",
        "left out, empty response: 1,000 (row 1, row 2, row 3, ...)",
        "left out, empty prompt: 10",
        "noted, response cut: 2 (row 4, row 5)",
    ]


def test_rows_are_drawn_by_the_seed_and_keep_their_order(tmp_path: Path) -> None:
    path = written(tmp_path, [pair(f"{i}") if i % 3 else pair("") for i in range(300)])
    usable = [i + 1 for i in range(300) if i % 3]
    assert numbers(load(path)) == usable
    drawn = load(path, max_rows=40, seed=1)
    assert numbers(drawn) == sorted(random.Random(1).sample(usable, len(usable))[:40])
    assert drawn.report.left_out == {"empty prompt": 100, "not drawn (max_rows)": 160}
    assert numbers(load(path, max_rows=40, seed=1)) == numbers(drawn)
    assert numbers(load(path, max_rows=40, seed=2)) != numbers(drawn)
    assert set(numbers(load(path, max_rows=39, seed=1))) < set(numbers(drawn))
    assert numbers(load(path, max_rows=200)) == numbers(load(path, max_rows=1000)) == usable
    assert numbers(load(path, max_rows=1000, first_rows=10)) == [2, 3, 5, 6, 8, 9]


def test_each_row_is_drawn_as_often_as_another(tmp_path: Path) -> None:
    path = written(tmp_path, [pair(f"{i}") for i in range(6)])
    counts = Counter(number for seed in range(90) for number in numbers(load(path, max_rows=2, seed=seed)))
    # Each is drawn with a chance of 1/3: 30 times, with a standard deviation of 4.5.
    assert all(12 < counts[number] < 48 for number in range(1, 7)), counts


def test_a_drawn_row_that_is_too_long_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path, [pair("map " * 400) if i % 2 else pair(f"{i}") for i in range(40)])
    found = load(path, max_rows=15, max_length=200)
    assert len(found.rows) == 15
    assert all(number % 2 for number in numbers(found))
    assert found.report.left_out["prompt too long"] >= 1
    all_of_them = load(path, max_rows=30, max_length=200)
    assert numbers(all_of_them) == list(range(1, 40, 2))
    assert all_of_them.report.left_out == {"prompt too long": 20}


def test_what_is_recorded_of_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path, [pair(), pair(""), pair(), pair()])
    record = load(path, first_rows=3, max_rows=5, seed=9).provenance
    assert record["row_numbers_sha256"] == hashlib.sha256(b"1\n3\n").hexdigest()
    assert {name: record[name] for name in ("rows_read", "rows_used", "first_rows", "max_rows", "seed")} == {
        "rows_read": 3,
        "rows_used": 2,
        "first_rows": 3,
        "max_rows": 5,
        "seed": 9,
    }
    assert record["dataset"] == str(path)
    json.dumps(record, allow_nan=False)


ROWS = st.lists(
    st.builds(pair, st.text(max_size=6), st.text(max_size=6))
    | st.dictionaries(
        st.sampled_from(["prompt", "response", "messages"]), st.none() | st.text() | st.integers()
    )
    | st.sampled_from(["{", "[]", "", '{"prompt": "\\ud800", "response": "x"}']),
    max_size=12,
)


@settings(max_examples=40)
@given(ROWS, st.integers(1, 12), st.integers(30, 120), st.sampled_from(["truncate", "drop"]))
def test_any_file_is_rows_or_one_message(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], most: int, length: int, overlong: str
) -> None:
    path = written(tmp_path_factory.mktemp("any"), [*rows, pair("a", "b")])
    try:
        found = load(path, max_rows=most, max_length=length, overlong=overlong)
    except DiversityEvalError as error:
        found = None
        message = str(error)
    if found is None:
        assert str(path) in message
        return
    assert 1 <= len(found.rows) <= most
    assert numbers(found) == sorted(set(numbers(found)))
    for row in found.rows:
        assert len(row.input_ids) <= length
        assert row.labels[0] == -100
        assert row.labels[-1] == row.input_ids[-1]
        assert (row.input_ids[-1] == TOKENIZER.eos_token_id) or "response cut" in found.report.noted


@pytest.fixture
def tokenizer(checkpoint: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(checkpoint)


def test_real_alpaca(data_folder: Path, tokenizer: Any) -> None:
    settings = TrainSettings(dataset="alpaca", max_length=10_000, max_rows=300)
    found = load_training_set(settings, tokenizer)
    assert found.report.read == 17_378
    assert found.report.left_out == {"not drawn (max_rows)": 17_378 - 300}
    source = [json.loads(line) for line in (data_folder / "alpaca_train.jsonl").open(encoding="utf-8")]
    for row, number in zip(found.rows, numbers(found), strict=True):
        expected = source[number - 1]
        given_input = f"<|input|>\n{expected['input']}\n<|/input|>\n" if expected["input"].strip() else ""
        assert tokenizer.decode(row.input_ids) == (
            f"<s><|instruct|>\n{expected['instruction']}\n<|/instruct|>\n{given_input}<|response|>\n"
            f"{expected['output'].strip()}\n<|/response|></s>"
        )


def test_real_ultrafeedback(data_folder: Path, tokenizer: Any) -> None:
    found = load_training_set(
        TrainSettings(dataset="ultrafeedback", max_length=20_000, max_rows=80), tokenizer
    )
    assert found.report.read == 1_198
    assert found.report.left_out["score below 7"] == 138
    assert found.report.left_out["not drawn (max_rows)"] == 1_060 - 80
    source = [json.loads(line) for line in (data_folder / "ultrafeedback_train.jsonl").open(encoding="utf-8")]
    for row, number in zip(found.rows, numbers(found), strict=True):
        # In this file the better completion comes first.
        best = source[number - 1]["completions"][0]
        assert best["overall_score"] >= 7
        label_text = tokenizer.decode([label for label in row.labels if label != -100])
        assert label_text == best["response"].strip() + "\n<|/response|></s>"


@pytest.mark.parametrize(("reasoning", "empty"), [(False, 0), (True, 21)])
def test_real_numina(data_folder: Path, tokenizer: Any, reasoning: bool, empty: int) -> None:
    settings = TrainSettings(dataset="numina_math_cot", max_length=20_000, max_rows=60, reasoning=reasoning)
    found = load_training_set(settings, tokenizer)
    assert found.report.read == 2_000
    assert found.report.left_out["no boxed answer"] == 53
    assert found.report.left_out.get("empty boxed answer", 0) == empty
    assert found.report.left_out["not drawn (max_rows)"] == 1_947 - empty - 60
    for row in found.rows:
        text = tokenizer.decode([label for label in row.labels if label != -100])
        assert text.startswith("<|reasoning|>\n") == reasoning
        assert text.endswith("\n<|/answer|>\n<|/response|></s>") == reasoning
        assert "\\boxed" in text
