"""Real runs of lm-eval, written by its own tracker, for whatever reads logs. Each is made once a session."""

from functools import cache
from pathlib import Path
from typing import Any

import diversity_eval.demo
from tests.harness.documents import QUESTIONS

OWN_TASKS = Path(__file__).parents[1] / "harness" / "tasks"
DEMO_TASKS = Path(diversity_eval.demo.__file__).parent / "tasks"

# A task as lm-eval's users write them: default filter, or two filters that keep a piece of one response.
_STOCK = """
task: {name}
custom_dataset: !function tests.logs.lm_eval_runs.stock_dataset
test_split: test
output_type: {output_type}
doc_to_text: "Q: {{{{question}}}}\\nA:"
doc_to_target: "{{{{answer}}}}"
metadata:
  version: 2.0
"""
_GENERATES = """
repeats: {repeats}
generation_kwargs:
  do_sample: true
  temperature: 0.8
  max_gen_toks: 6
  until: ["\\n"]
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""
_TWO_FILTERS = """
filter_list:
  - name: first-letter
    filter:
      - {function: regex, regex_pattern: "([a-z])"}
      - {function: take_first}
  - name: last-letter
    filter:
      - {function: regex, regex_pattern: "([a-z])$"}
      - {function: take_first}
"""
_CHOOSES = """
doc_to_choice: ["boat", "mill"]
"""


def stock_dataset(**_: Any) -> Any:
    import datasets

    rows = [{"question": question, "answer": "boat"} for question in QUESTIONS]
    return {"test": datasets.Dataset.from_list(rows)}


@cache
def own_run(checkpoint: Path) -> Path:
    """The folder of a run of one of this project's tasks; its output folder is the parent's."""
    return _run(checkpoint, "own", ["own_instruct"], OWN_TASKS, metadata={"num_samples": 3})


@cache
def demo_run(checkpoint: Path) -> Path:
    """A story task and an instruction task in one run, its first four documents."""
    tasks = ["demo_stories", "demo_prompts"]
    return _run(checkpoint, "demo", tasks, DEMO_TASKS, metadata={"num_samples": 2}, limit=4)


@cache
def predict_only_run(checkpoint: Path) -> Path:
    """Responses without metrics."""
    metadata = {"num_samples": 3}
    return _run(checkpoint, "bypass", ["own_instruct"], OWN_TASKS, metadata=metadata, predict_only=True)


@cache
def stock_run(checkpoint: Path) -> Path:
    """Tasks of somebody else: three repeats of which lm-eval keeps one, two filters, given answers."""
    folder = checkpoint.parent / f"{checkpoint.name}-stock-tasks"
    folder.mkdir()
    for name, output_type, rest in (
        ("stock_repeats", "generate_until", _GENERATES.format(repeats=3)),
        ("stock_filters", "generate_until", _GENERATES.format(repeats=2) + _TWO_FILTERS),
        ("stock_choice", "multiple_choice", _CHOOSES),
    ):
        text = _STOCK.format(name=name, output_type=output_type) + rest
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return _run(checkpoint, "stock", ["stock_repeats", "stock_filters", "stock_choice"], folder, limit=4)


def _run(
    checkpoint: Path,
    name: str,
    tasks: list[str],
    folder: Path,
    metadata: dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    output = checkpoint.parent / f"{checkpoint.name}-{name}"
    tracker = EvaluationTracker(output_path=str(output))
    results = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(checkpoint), "dtype": "float32"},
        device="cpu",
        batch_size=16,
        tasks=tasks,
        task_manager=TaskManager(
            include_path=str(folder),
            include_defaults=False,
            metadata={"embeddings": "none", **(metadata or {})},
        ),
        evaluation_tracker=tracker,
        log_samples=True,
        bootstrap_iters=0 if name == "stock" else 100,
        **options,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    (written,) = output.iterdir()
    return written
