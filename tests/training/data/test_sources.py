from pathlib import Path
from typing import Any

import datasets
import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data.sources import read_source
from diversity_eval.training.settings import TrainSettings

PAIR = '{"prompt": "a", "response": "b"}\n'


def written(folder: Path, text: str) -> str:
    path = folder / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(dataset: str, **kwargs: Any) -> str:
    with pytest.raises(DiversityEvalError) as caught:
        read_source(TrainSettings(dataset=dataset, **kwargs))
    return str(caught.value)


@pytest.mark.parametrize("dataset", ["", "alpacca", "rows.parquet", "a/b/c", "http://example.org/rows"])
def test_a_name_that_is_none(dataset: str) -> None:
    assert "alpaca, ultrafeedback, numina_math_cot, a .jsonl file" in refusal(dataset)


def test_reasoning_is_for_boxed_answers(tmp_path: Path) -> None:
    assert "numina_math_cot" in refusal("alpaca", reasoning=True)
    assert "numina_math_cot" in refusal(written(tmp_path, PAIR), reasoning=True)


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ('{"messages": [], "prompt": "a"}', ("messages",)),
        (PAIR, ("prompt", "response")),
        ('{"prompt": "a", "completion": "b"}', ("prompt", "completion")),
        ('{"instruction": "a", "input": "", "output": "b", "text": "c"}', ("instruction", "output")),
        ('{"prompt": "a", "response": "b", "completion": "c"}', ("prompt", "response")),
    ],
)
def test_layouts_of_a_file(tmp_path: Path, row: str, columns: tuple[str, ...]) -> None:
    found = read_source(TrainSettings(dataset=written(tmp_path, row)))
    assert found.layout.columns == columns
    assert found.provenance["columns"] == list(columns)
    assert found.place == f"{tmp_path / 'rows.jsonl'} line"


def test_the_layout_that_most_rows_have(tmp_path: Path) -> None:
    odd = '{"messages": []}\n'
    assert read_source(TrainSettings(dataset=written(tmp_path, odd + PAIR + PAIR))).layout.columns == (
        "prompt",
        "response",
    )
    assert read_source(TrainSettings(dataset=written(tmp_path, odd + PAIR))).layout.columns == ("messages",)


def test_columns_that_no_row_has(tmp_path: Path) -> None:
    message = refusal(
        written(tmp_path, '{"question": "a", "answer": "b"}\n{"prompt": null, "response": "b"}\n')
    )
    assert "'messages', or 'prompt' and 'response', or" in message
    assert message.endswith("found 'question', 'answer'")
    many = "{" + ", ".join(f'"{"c" * 100}{i}": 1' for i in range(100)) + "}"
    assert refusal(written(tmp_path, many)).endswith(" and 88 more")
    assert len(refusal(written(tmp_path, many))) < 1500
    assert "found none" in refusal(written(tmp_path, "{}"))


def test_files_without_a_row(tmp_path: Path) -> None:
    for empty in ("", "\n \n"):
        assert "holds no rows; expected rows with 'messages'" in refusal(written(tmp_path, empty))
    assert "(line 2: not JSON)" in refusal(written(tmp_path, "\nprompt: a\n[1]\n"))
    assert "cannot be read" in refusal(str(tmp_path / "absent.jsonl"))


def test_a_file_s_provenance(tmp_path: Path) -> None:
    found = read_source(TrainSettings(dataset=written(tmp_path, PAIR * 3), first_rows=2))
    assert [row.number for row in found.rows] == [1, 2]
    assert found.provenance["source"] == "rows.jsonl"
    # Of PAIR three times, by sha256sum.
    assert found.provenance["sha256"] == "4c59f43cccd839649cff0e5edf38177b0745c0782c7fe101f88dba82a09f42b7"


class Hub:
    """What stands for `datasets.load_dataset`, and what it was asked for."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.asked: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> datasets.Dataset:
        self.asked.append((args, kwargs))
        return datasets.Dataset.from_list(self.rows)


def test_a_hub_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    hub = Hub([{"id": i, "messages": chat, "prompt": "a"} for i in range(5)])
    monkeypatch.setattr(datasets, "load_dataset", hub)
    found = read_source(
        TrainSettings(dataset="org/chats", dataset_split="train_sft", dataset_config="en", first_rows=3)
    )
    assert hub.asked == [(("org/chats", "en"), {"split": "train_sft"})]
    assert [row.value for row in found.rows] == [{"messages": chat, "prompt": "a"}] * 3
    assert found.layout.columns == ("messages",)
    assert found.place == "org/chats row"
    assert found.provenance["location"] == "org/chats, en, split train_sft"


def test_a_hub_data_set_with_other_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", Hub([{"question": "a", "answer": "b"}]))
    message = refusal("org/quiz")
    assert "org/quiz, split train has no row" in message
    assert message.endswith("found 'question', 'answer'")
    monkeypatch.setattr(datasets, "load_dataset", Hub([]))
    assert "holds no rows" in refusal("org/empty")


def test_a_hub_that_cannot_be_reached_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ValueError("no\nwith token hf_abcdefghijkl at https://me:secret@example.org/x")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = refusal("org/absent")
    assert message.startswith(
        "org/absent, split train can't be loaded from the Hugging Face Hub: ValueError: no."
    )
    assert "HF_HUB_OFFLINE forbids" in message
    assert "secret" not in message


def test_secrets_are_not_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("401 for hf_abcdefghijkl at https://me:secret@example.org/x")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    message = refusal("org/absent")
    assert "401 for  at https://example.org/x" in message


def test_a_folder_is_not_taken_for_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "data").mkdir(parents=True)
    assert "is a path here" in refusal("org/data")


@pytest.mark.parametrize(
    ("dataset", "rows", "license"),
    [
        ("alpaca", 17_378, "CC BY-NC 4.0"),
        ("ultrafeedback", 1_198, "MIT"),
        ("numina_math_cot", 2_000, "Apache-2.0"),
    ],
)
def test_the_built_in_sets(data_folder: Path, dataset: str, rows: int, license: str) -> None:
    found = read_source(TrainSettings(dataset=dataset))
    assert len(found.rows) == rows
    assert [found.rows[0].number, found.rows[-1].number] == [1, rows]
    assert found.place == f"{dataset} row"
    assert found.provenance["license"] == license
    assert found.provenance["digest"] == "pinned"
    few = read_source(TrainSettings(dataset=dataset, first_rows=7))
    assert list(few.rows) == list(found.rows[:7])
