"""Sample logs that lm-eval itself wrote."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs import LoggedRun, read_logs
from diversity_eval.logs.sample_logs import safe_name
from tests.harness.documents import QUESTIONS
from tests.logs.lm_eval_runs import demo_run, own_run, predict_only_run, stock_run

NAME = "samples_t_2026-01-02T03-04-05.678901.jsonl"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def only(path: Path, **options: Any) -> LoggedRun:
    (run,) = read_logs([path], **options)
    return run


def row(doc_id: int = 0, **changed: Any) -> dict[str, Any]:
    """A line as lm-eval writes it for a request with three repeats, of which its filter kept the first."""
    return {
        "doc_id": doc_id,
        "doc": {"question": f"q{doc_id}"},
        "target": "t",
        "arguments": {
            "gen_args_0": {"arg_0": f"Q: q{doc_id}", "arg_1": {"until": ["\n"], "temperature": 0.5}}
        },
        "resps": [[" a<|im_end|>b", "c\nd", ""]],
        "filtered_resps": [" a<|im_end|>b"],
        "filter": "none",
        "metrics": ["exact_match"],
        "exact_match": 0.0,
        **changed,
    }


def write(folder: Path, *rows: dict[str, Any], name: str = NAME) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    return path


def test_a_run_of_ours_comes_back_whole(checkpoint: Path) -> None:
    folder = own_run(checkpoint)
    (log,) = folder.glob("samples_*.jsonl")
    run = only(folder)
    assert (run.task, run.model, run.kind, run.prompt_field) == (
        "own_instruct", str(checkpoint), "instruction", "question",
    )  # fmt: skip
    assert run.path == log
    assert run.results_path == next(folder.glob("results_*.json"))
    assert run.record["backend"] == "hf"
    assert [prompt.prompt for prompt in run.prompts] == list(QUESTIONS)
    for prompt, logged in zip(run.prompts, rows_of(log), strict=True):
        assert [list(prompt.responses)] == logged["filtered_resps"]
        assert [list(prompt.raw_responses)] == logged["resps"]
        assert prompt.metrics["self_bleu"] == logged["self_bleu"]
        assert prompt.row["doc_hash"] == logged["doc_hash"]
        assert "self_bleu" not in prompt.row
    assert (run.signature_fields()["docs"], run.available, run.k) == ("all 5", 5, "3")


def test_both_tasks_of_a_run_have_their_kind_and_bare_prompt(checkpoint: Path) -> None:
    prompts, stories = read_logs([demo_run(checkpoint)])
    assert (stories.task, stories.kind, stories.prompt_field) == ("demo_stories", "story", "prompt")
    assert (prompts.task, prompts.kind, prompts.prompt_field) == (
        "demo_prompts",
        "instruction",
        "instruction",
    )
    for run in (prompts, stories):
        assert run.prompt_field is not None
        assert all(prompt.prompt == prompt.row["doc"][str(run.prompt_field)] for prompt in run.prompts)
        assert run.fields["docs"].startswith("first 4 of ")
    assert prompts.results is stories.results  # read once


def test_responses_without_metrics_are_the_same_responses(checkpoint: Path) -> None:
    run, bypass = only(own_run(checkpoint)), only(predict_only_run(checkpoint))
    assert [prompt.responses for prompt in bypass.prompts] == [prompt.responses for prompt in run.prompts]
    assert bypass.fields == run.fields
    assert bypass.prompts[0].metrics == {}


def test_tasks_of_others_give_all_repeats_whatever_their_filters_kept(checkpoint: Path) -> None:
    warnings: list[str] = []
    filters, repeats = read_logs([stock_run(checkpoint)], warn=warnings.append)
    assert (filters.task, repeats.task) == ("stock_filters", "stock_repeats")
    assert [len(warnings), "stock_choice compares given answers" in warnings[0]] == [1, True]
    assert (filters.k, repeats.k, len(filters.prompts), filters.record) == ("2", "3", 4, {})
    for run in (filters, repeats):
        for prompt, question in zip(run.prompts, QUESTIONS, strict=False):
            assert prompt.prompt == f"Q: {question}\nA:"
            assert prompt.row["filter"] == "none"
            assert [list(prompt.responses)] == prompt.row["filtered_resps"]
            assert [list(prompt.raw_responses)] == prompt.row["resps"]
    fields = repeats.signature_fields()
    assert (fields["temperature"], fields["max_new_tokens"], fields["top_p"]) == ("0.8", "6", "unknown")
    assert (fields["task"], fields["docs"]) == ("stock_repeats@2.0", "first 4 of 5")
    assert (fields["lm_eval"], fields["prompt"]) == ("0.4.13", "unknown")


def test_raw_responses_are_cut_at_the_run_s_own_ends(tmp_path: Path) -> None:
    (prompt,) = only(write(tmp_path, row())).prompts
    assert prompt.responses == ("a", "c", "")
    assert prompt.raw_responses == (" a<|im_end|>b", "c\nd", "")
    results = {"results": {"t": {}}, "configs": {"t": {}}, "tokenizer_eos_token": ["</s>", "2"]}
    (tmp_path / "results_2026-01-02T03-04-05.678901.json").write_text(json.dumps(results), encoding="utf-8")
    (prompt,) = only(write(tmp_path, row(resps=[["a</s>b"]], filtered_resps=["a</s>b"]))).prompts
    assert prompt.responses == ("a",)


# What a task of ours logs: cleaned with what it knew of the checkpoint, here an end marker.
CLEANED: dict[str, Any] = {
    "resps": [["x<|response|>a<|response|>b</s>", "c"]],
    "filtered_resps": [["a<|response|>b", "c"]],
}


def test_without_results_a_whole_filtered_list_is_one_of_ours_and_taken_as_it_is(tmp_path: Path) -> None:
    (prompt,) = only(write(tmp_path, row(**CLEANED))).prompts
    assert prompt.responses == ("a<|response|>b", "c")


@pytest.mark.parametrize(("ours", "expected"), [(True, "a<|response|>b"), (False, "a<|response|>b</s>")])
def test_with_results_the_record_tells_whose_it_is(tmp_path: Path, ours: bool, expected: str) -> None:
    config = {"metadata": {"diversity_eval": {"kind": "story"}}} if ours else {}
    results = json.dumps({"results": {"t": {}}, "configs": {"t": config}})
    (tmp_path / "results_2026-01-02T03-04-05.678901.json").write_text(results, encoding="utf-8")
    (prompt,) = only(write(tmp_path, row(**CLEANED))).prompts
    assert prompt.responses == (expected, "c")


@pytest.mark.parametrize(
    ("task", "doc", "expected"),
    [
        ("short_stories_base", {"prompt": "Once."}, ("story", "prompt", "Once.")),
        ("small_prompts_256", {"instruction": "Say."}, ("instruction", "instruction", "Say.")),
        ("novelty_bench", {"prompt": "Say."}, ("instruction", "prompt", "Say.")),
        ("short_stories_of_mine", {"text": "Once."}, ("story", None, "Q: q0")),
        ("else", {"prompt": "Say."}, ("instruction", None, "Q: q0")),
    ],
)
def test_a_log_alone_is_judged_by_its_task_s_name(
    tmp_path: Path, task: str, doc: dict[str, str], expected: tuple[str, str, str]
) -> None:
    run = only(write(tmp_path, row(doc=doc), name=NAME.replace("_t_", f"_{task}_")))
    assert (run.task, run.model, run.results_path) == (task, None, None)
    assert (run.kind, run.prompt_field, run.prompts[0].prompt) == expected
    assert run.fields["docs"] == "1 of unknown"


def test_chat_messages_and_lists_of_old_versions_are_read(tmp_path: Path) -> None:
    messages = json.dumps([{"role": "user", "content": "Say \u00e9."}], ensure_ascii=False)
    settings: dict[str, Any] = {"until": []}
    for sent in ([messages], json.loads(messages)):
        logged = row(arguments={"gen_args_0": {"arg_0": sent, "arg_1": settings}})
        assert json.loads(only(write(tmp_path, logged)).prompts[0].prompt) == json.loads(messages)
    assert only(write(tmp_path, row(arguments=[["Q?", settings]]))).prompts[0].prompt == "Q?"


def test_the_results_of_the_same_time_are_used_and_no_others(checkpoint: Path, tmp_path: Path) -> None:
    folder = own_run(checkpoint)
    (log,) = folder.glob("samples_*.jsonl")
    (results,) = folder.glob("results_*.json")
    for time in ("2026-01-01T00-00-00", "2026-02-02T00-00-00.5"):  # isoformat drops zero microseconds
        shutil.copy(log, tmp_path / f"samples_own_instruct_{time}.jsonl")
    shutil.copy(results, tmp_path / "mine_2026-02-02T00-00-00.5.json")  # --output_path mine.json
    without, with_ = read_logs([tmp_path])
    assert (without.time, without.results_path, without.model) == ("2026-01-01T00-00-00", None, None)
    assert with_.results_path == tmp_path / "mine_2026-02-02T00-00-00.5.json"
    assert with_.model == str(checkpoint)
    assert only(tmp_path / "mine_2026-02-02T00-00-00.5.json").path == with_.path


def test_a_renamed_log_is_still_one(tmp_path: Path) -> None:
    assert only(write(tmp_path, row(), name="kept.jsonl")).task == "kept"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"doc_id": None}, "`doc_id` is None"),
        ({"doc_id": 0}, "document 0 was in line 1 already"),
        ({"arguments": None}, "no `arguments`"),
        ({"arguments": {"gen_args_0": {"arg_0": "Q", "arg_1": " yes"}}}, "compares given answers"),
        ({"arguments": {"gen_args_0": {"arg_0": "Q"}}}, "compares given answers"),
        ({"resps": None}, "no responses in `resps`"),
        ({"resps": [[]]}, "no responses in `resps`"),
        ({"resps": [["a", 1]]}, "a response is 1; expected a text"),
    ],
)
def test_a_broken_line_is_one_error_with_file_and_line(
    tmp_path: Path, broken: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, row(), {**row(1), **broken}, {})
    with pytest.raises(DiversityEvalError, match=message) as caught:
        read_logs([path])
    assert str(caught.value).startswith(f"{path}, line 2: ")


def test_a_prompt_field_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    assert [p.prompt for p in only(write(tmp_path, row(), row(1)), prompt_field="question").prompts] == [
        "q0",
        "q1",
    ]
    path = write(tmp_path, row(), row(1, doc={"other": "x"}))
    with pytest.raises(
        DiversityEvalError, match=r"line 2: no field 'question' in the document; it has 'other'"
    ):
        read_logs([path], prompt_field="question")
    with pytest.raises(DiversityEvalError, match="line 1: no field 'answer'"):
        read_logs([path], prompt_field="answer")


def test_results_that_cannot_be_read_are_an_error_not_an_absence(tmp_path: Path) -> None:
    path = write(tmp_path, row())
    results = tmp_path / "results_2026-01-02T03-04-05.678901.json"
    for content, message in (
        ("{", "not JSON"),
        ("[]", "not a results file"),
        ('{"a": 1}', "not a results file"),
    ):
        results.write_text(content, encoding="utf-8")
        with pytest.raises(DiversityEvalError, match=message):
            read_logs([path])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("org/model", "org__model"),
        ("/tmp/a b", "__tmp__a b"),
        ('a"<>:|\\?*[]b', "a__b"),
        ("..", "__"),
        ("", "__"),
        ("a\x00\nb", "a__b"),
        ("\ud800", "?"),
        ("\u00e9" * 200, "\u00e9" * 75),
    ],
)
def test_names_are_safe_for_files(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_the_document_s_own_id_and_category_are_found_where_the_record_says(tmp_path: Path) -> None:
    docs = [{"question": "q", "name": "n-1", "topic": "Games"}, {"question": "r", "name": True, "topic": 3}]
    path = write(tmp_path, *(row(i, doc=doc) for i, doc in enumerate(docs)))
    assert [(p.id, p.categories) for p in only(path).prompts] == [(None, ())] * 2
    record = {"id_field": "name", "category_field": "topic"}
    results = {"results": {}, "configs": {"t": {"metadata": {"diversity_eval": record}}}}
    time = NAME.removeprefix("samples_t_").removesuffix(".jsonl")
    (tmp_path / f"results_{time}.json").write_text(json.dumps(results), encoding="utf-8")
    assert [(p.id, p.categories) for p in only(path).prompts] == [("n-1", ("Games",)), (None, ("topic 3",))]


@pytest.mark.parametrize(
    "task",
    ["novelty_bench", "novelty_bench_base", "novelty_bench_wildchat", "novelty_bench_wildchat_base"],
)
def test_logs_of_novelty_bench_have_them_without_a_record(tmp_path: Path, task: str) -> None:
    doc = {"id": "curated-3", "prompt": "Name a boat.", "category": "Games"}
    path = write(tmp_path, row(doc=doc), row(1, doc={"prompt": "p"}), name=NAME.replace("_t_", f"_{task}_"))
    run = only(path)
    assert (run.task, run.kind, run.prompt_field) == (task, "instruction", "prompt")
    assert [(p.prompt, p.id, p.categories) for p in run.prompts] == [
        ("Name a boat.", "curated-3", ("Games",)), ("p", None, ()),
    ]  # fmt: skip
