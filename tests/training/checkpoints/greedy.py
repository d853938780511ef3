"""A task of lm-eval's own kind whose answers are the likeliest tokens, so that two models can be compared."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

QUESTIONS = (
    "What would you do with an old map?",
    "Who came back at dawn?",
    "Name three things that a boat needs.",
    "Why did every child in the village want to see it?",
)


def write_greedy_task(folder: Path) -> Path:
    """A folder for `--include_path` with the task `own_greedy`."""
    import yaml

    folder.mkdir()
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": each}) + "\n" for each in QUESTIONS), encoding="utf-8")
    task = {
        "task": "own_greedy",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "",
        "generation_kwargs": {"do_sample": False, "max_gen_toks": 12, "until": []},
        "metric_list": [{"metric": "bypass"}],
    }
    (folder / "own_greedy.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    return folder


def answers_of(samples: list[Mapping[str, Any]]) -> list[str]:
    """The answers of a run's samples, in the order of the questions."""
    ordered = sorted(samples, key=lambda sample: int(sample["doc_id"]))
    assert len(ordered) == len(QUESTIONS)
    return [str(sample["resps"][0][0]) for sample in ordered]


def hf_answers(task: Path, chat: bool = True, **arguments: object) -> list[str]:
    """The answers of lm-eval's hf model, in this process and in float32."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    results = simple_evaluate(
        model="hf",
        model_args={"dtype": "float32", "device": "cpu", **arguments},
        tasks=["own_greedy"],
        task_manager=TaskManager(include_path=str(task), include_defaults=False),
        apply_chat_template=chat,
        bootstrap_iters=0,
    )
    assert results is not None
    return answers_of(results["samples"]["own_greedy"])
