import json
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import read_logs
from tests.logs.lm_eval_runs import own_run, stock_run


def responses(path: Path, *texts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"prompt": "p", "responses": list(texts)}) + "\n", encoding="utf-8")
    return path


def test_files_and_folders_in_the_order_named_and_each_once(checkpoint: Path, tmp_path: Path) -> None:
    folder = own_run(checkpoint)
    mine = responses(tmp_path / "mine.jsonl", "a", "b")
    runs = read_logs(
        [mine, folder.parent, next(folder.glob("samples_*")), next(folder.glob("results_*")), mine]
    )
    assert [run.task for run in runs] == ["mine", "own_instruct"]


def test_a_folder_gives_logs_and_nothing_that_only_looks_like_one(tmp_path: Path) -> None:
    responses(tmp_path / "deep" / "down" / "generations.jsonl", "a", "b")
    responses(tmp_path / "identical_t_20261124T101112_1.jsonl", "a", "a")
    for name in ("scores.jsonl", "mine.jsonl", "samples_t.jsonl", "notes.csv", ".samples_t.part"):
        responses(tmp_path / name, "a", "b")
    assert [run.task for run in read_logs([tmp_path])] == ["novelty_bench", "t"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jsonl", None, "no such file or folder"),
        ("a.txt", "x", r"cannot tell its format; expected a file that ends in \.jsonl, \.csv, \.parquet"),
        ("a.jsonl", "\n\n", "holds no rows"),
        ("a.csv", "prompt,response\n", "holds no rows"),
        ("a.json", '{"results": {}}', "cannot tell|no sample log"),
        ("a.json", "[]", "not a results file of lm-eval"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DiversityEvalError, match=message) as caught:
        read_logs([path])
    assert str(caught.value).startswith(f"{path}: ")


def test_folders_without_responses_say_why(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match=r"no sample logs .* in it or below"):
        read_logs([tmp_path])
    (tmp_path / "results_2026-01-01T00-00-00.json").write_text("{}", encoding="utf-8")
    with pytest.raises(
        DiversityEvalError, match="results but no sample logs; run lm_eval again with --log_samples"
    ):
        read_logs([tmp_path])
    choice = next(stock_run(checkpoint).glob("samples_stock_choice_*"))
    (tmp_path / choice.name).write_bytes(choice.read_bytes())
    with pytest.raises(DiversityEvalError, match=r"nothing to score: .*compares given answers"):
        read_logs([tmp_path])


def test_a_log_of_given_answers_that_is_named_itself_is_an_error(checkpoint: Path) -> None:
    def warn(message: Any) -> None:
        pytest.fail(message)

    choice = next(stock_run(checkpoint).glob("samples_stock_choice_*"))
    with pytest.raises(DiversityEvalError, match="stock_choice compares given answers"):
        read_logs([choice], warn=warn)
