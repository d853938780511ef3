"""From lm-eval's logs, and this project's in the same form, to evaluations."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedRun, record_of
from diversity_eval.logs.rows import Row
from diversity_eval.logs.run_fields import UNKNOWN, fields_of_record, prompts_digest
from diversity_eval.logs.sample_logs import metrics_of, notes_of
from diversity_eval.metrics.prompt_metrics import HIGHER_IS_BETTER
from diversity_eval.metrics.signature import Signature, metric_fields
from diversity_eval.metrics.statistics import mean, standard_deviation
from diversity_eval.redaction import without_secrets
from diversity_eval.report.checkpoints import Training, checkpoint_of, training_of
from diversity_eval.report.evaluation import EvaluatedPrompt, Evaluation, MetricValues
from diversity_eval.scoring.reported import COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "evaluation_of_rows",
    "evaluation_of_run",
    "evaluations_of_results",
    "finite",
    "keys_of",
    "shown_notes",
]

# The count of what a family of metrics lacks, by how their names begin; `distinct_1` is of words.
_MISSING = (
    ("quality", "quality_unscored"),
    ("asr_judge", "asr_unscored"),
    ("asr_agreement", "asr_unscored"),
    ("distinct", "partition_unknown"),
    ("utility", "utility_unknown"),
    ("coverage", "answers_unverifiable"),
    ("success_rate", "answers_unverifiable"),
    ("majority_vote", "answers_unverifiable"),
    ("pass_at_", "answers_unverifiable"),
)
_TOLERANCE = 1e-4
_YEAR_3000 = 32_503_680_000
_UNSAID = ("data", "docs", "k", "temperature", "top_p", "top_k", "max_new_tokens", "prompt")


def evaluation_of_run(
    run: LoggedRun, training: Training | None = None, warn: Callable[[str], None] = lambda message: None
) -> Evaluation:
    """A run with its responses.

    Args:
        run: as `read_logs` gives it.
        training: how the checkpoint was trained, where that is known already.
        warn: told where the file's means are not those of its lines.
    """
    keys = keys_of([prompt.id for prompt in run.prompts], [prompt.doc_id for prompt in run.prompts])
    prompts = tuple(
        EvaluatedPrompt(
            key=key,
            prompt=prompt.prompt,
            responses=prompt.responses,
            **shown_notes(prompt.notes, len(prompt.responses)),
        )
        for key, prompt in zip(keys, run.prompts, strict=True)
    )
    fields = {**run.fields, "k": run.k}
    return _evaluation(
        run.task, run.path, run.results, prompts, [prompt.metrics for prompt in run.prompts], fields,
        available=run.available if run.available is not None else len(run.prompts) + run.left_out,
        model=run.model or "", training=training, warn=warn,
    )  # fmt: skip


def evaluation_of_rows(
    task: str,
    path: Path,
    rows: Sequence[Row],
    results: Mapping[str, Any],
    warn: Callable[[str], None] = lambda message: None,
) -> Evaluation:
    """A sample log without generated responses: lm-eval's multiple choice, the first-token probe.

    Raises DiversityEvalError for a line that is none of a sample log.
    """
    kept: dict[int, Mapping[str, Any]] = {}
    for where, row in rows:
        doc_id = row.get("doc_id")
        if isinstance(doc_id, bool) or not isinstance(doc_id, int):
            raise DiversityEvalError(
                f"{path}, {where}: no `doc_id`; expected a line of an lm-eval sample log"
            )
        kept.setdefault(doc_id, row)  # of several filters' lines the first counts, as elsewhere
    record = record_of(results, task)
    docs = [_mapping(row.get("doc")) for row in kept.values()]
    id_field = record.get("id_field")
    keys = keys_of([doc.get(id_field) if id_field else None for doc in docs], list(kept))
    prompts = tuple(
        EvaluatedPrompt(key=key, prompt=_text(doc.get("prompt")), **shown_notes(notes_of(row), 0))
        for key, doc, row in zip(keys, docs, kept.values(), strict=True)
    )
    fields = fields_of_record(record)
    available = _available(results, task)
    if fields is None:
        version = _mapping(results.get("versions")).get(task)
        fields = {
            "task": task if version is None else f"{task}@{version}",
            "data": prompts_digest(str(row.get("doc_hash")) for row in kept.values()),
            "docs": f"{len(kept)} of {available or UNKNOWN}",
            "prompt": UNKNOWN,
        }
    return _evaluation(
        task, path, results, prompts, [metrics_of(row) for row in kept.values()], fields,
        available=available, model="", training=None, warn=warn,
    )  # fmt: skip


def evaluations_of_results(path: Path, results: Mapping[str, Any], tasks: Sequence[str]) -> list[Evaluation]:
    """Tasks of a results file without sample logs: means and standard deviations, nothing to test with."""
    found = []
    for task in tasks:
        values = _mapping(results["results"].get(task))
        record = record_of(results, task)
        n = int(finite(values.get("sample_len")) or 0)
        signatures = _mapping(record.get("signatures"))
        version = _mapping(results.get("versions")).get(task)
        unknown = {
            "task": task if version is None else f"{task}@{version}",
            **dict.fromkeys(_UNSAID, UNKNOWN),
        }
        metrics = {}
        for key, value in values.items():
            name, comma, filter_ = key.partition(",")
            if not comma or name.endswith(("_stderr", "_std")) or name in COUNTS:
                continue
            if (number := finite(value)) is None or name in metrics:
                continue
            spread = finite(values.get(f"{name}_std,{filter_}"))
            error = finite(values.get(f"{name}_stderr,{filter_}"))
            if spread is None and error is not None and n > 1:
                spread = error * math.sqrt(n)
            metrics[name] = MetricValues(
                name, None, number, math.nan if spread is None else spread, n,
                _direction(results, task, name), _signature(name, signatures.get(name), unknown),
                counts_missing=_missing(name, values),
            )  # fmt: skip
        if metrics:
            found.append(_assembled(task, path, results, (), metrics, _available(results, task), "", None))
    return found


def keys_of(ids: Sequence[object], places: Sequence[int]) -> list[str]:
    """What the prompts are called: their ids if each has its own, else their places in the data."""
    named = [str(identity) for identity in ids if identity is not None]
    return named if len(named) == len(set(named)) == len(places) else [str(place) for place in places]


def shown_notes(notes: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Of what a log says of a prompt, what the report shows; what has another form is left out.

    Args:
        notes: by name.
        count: of the responses.
    """
    shown: dict[str, Any] = {}
    ratings = notes.get("ratings")
    if isinstance(ratings, list) and len(ratings) == count:
        shown["ratings"] = tuple(finite(rating) for rating in ratings)
    partition = notes.get("partition")
    if isinstance(partition, list) and len(partition) == count and all(type(c) is int for c in partition):
        shown["partition"] = tuple(partition)
    distribution = notes.get("distribution")
    if isinstance(distribution, list) and all(isinstance(entry, Mapping) for entry in distribution):
        shown["distribution"] = tuple(distribution)
    return shown


def _evaluation(
    task: str,
    path: Path,
    results: Mapping[str, Any],
    prompts: tuple[EvaluatedPrompt, ...],
    values: Sequence[Mapping[str, float]],
    fields: Mapping[str, str],
    *,
    available: int | None,
    model: str,
    training: Training | None,
    warn: Callable[[str], None],
) -> Evaluation:
    import numpy as np

    record = record_of(results, task)
    signatures = _mapping(record.get("signatures"))
    reported = _mapping(_mapping(results.get("results")).get(task))
    names = dict.fromkeys(name for line in values for name in line)
    metrics = {}
    for name in names:
        # Of our own tasks every mean has a signature, and nothing else has one.
        if name in COUNTS or (signatures and name not in signatures):
            continue
        column = [line.get(name, math.nan) for line in values]
        if any(math.isinf(value) for value in column):
            warn(f"{path}: {name} has an infinite value; the metric is left out")
            continue
        metric = MetricValues(
            name, np.array(column, dtype=np.float64), mean(column), standard_deviation(column),
            sum(not math.isnan(value) for value in column), _direction(results, task, name),
            _signature(name, signatures.get(name), fields), counts_missing=_missing(name, reported),
        )  # fmt: skip
        metrics[name] = metric
        said = finite(reported.get(f"{name},none"))
        if said is not None and abs(said - metric.mean) > _TOLERANCE * max(1.0, abs(said)):
            warn(
                f"{path}: the results say {name} = {said:g}, but the mean of the lines is {metric.mean:g}; "
                "the report has the latter"
            )
    return _assembled(task, path, results, prompts, metrics, available, model, training)


def _assembled(
    task: str,
    path: Path,
    results: Mapping[str, Any],
    prompts: tuple[EvaluatedPrompt, ...],
    metrics: Mapping[str, MetricValues],
    available: int | None,
    model: str,
    training: Training | None,
) -> Evaluation:
    checkpoint = checkpoint_of(results) or model
    told = record_of(results, task).get("training")
    known = training or training_of(checkpoint, told if isinstance(told, Mapping) else None)
    return Evaluation(
        checkpoint=checkpoint, task=task, path=path, prompts=prompts, metrics=metrics, available=available,
        provenance=_provenance(task, path, results), loss=known.loss, parameters=known.parameters,
        base_model=known.base_model,
    )  # fmt: skip


def _available(results: Mapping[str, Any], task: str) -> int | None:
    original = _mapping(_mapping(results.get("n-samples")).get(task)).get("original")
    return original if isinstance(original, int) else None


def _missing(name: str, reported: Mapping[str, Any]) -> int:
    """How many responses (of Distinct and Utility: prompts) a metric lacks."""
    if name in HIGHER_IS_BETTER:  # the diversity metrics, which lack nothing
        return 0
    count = next((count for begin, count in _MISSING if name.startswith(begin)), "")
    return int(finite(reported.get(f"{count},none")) or 0)


def _direction(results: Mapping[str, Any], task: str, name: str) -> bool | None:
    said = _mapping(_mapping(results.get("higher_is_better")).get(task)).get(name)
    return said if isinstance(said, bool) else HIGHER_IS_BETTER.get(name)


def _signature(name: str, recorded: object, fields: Mapping[str, str]) -> dict[str, str]:
    """The recorded signature's fields, or those of the run with the metric's own."""
    if isinstance(recorded, str):
        return Signature.parse(recorded).as_dict()
    try:
        return {**fields, **metric_fields(name)}
    except DiversityEvalError:
        return dict(fields)


def _provenance(task: str, path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader wants to know of a run's making, without secrets, in the order in which it is shown."""
    config = _mapping(results.get("config"))
    record = record_of(results, task)
    shown: dict[str, Any] = {"task": task, "file": path.name}
    date = finite(results.get("date"))
    if date is not None and 0 < date < _YEAR_3000:
        shown["date"] = datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if command := _command(task, config):
        shown["command (rebuilt from the results)"] = command
    for name in ("model", "model_args", "gen_kwargs", "limit", "batch_size", "device", "random_seed",
                 "numpy_seed", "torch_seed", "fewshot_seed"):  # fmt: skip
        if config.get(name) not in (None, "", {}):
            shown[name] = config[name]
    for name in ("lm_eval_version", "transformers_version", "git_hash", "total_evaluation_time_seconds"):
        if results.get(name):
            shown[name] = results[name]
    for name, value in record.items():
        if name not in ("signatures", "run_fields") and value not in (None, "", {}, []):
            shown[name] = value
    if signatures := record.get("signatures"):
        shown["signatures"] = signatures
    return without_secrets(shown)


def _command(task: str, config: Mapping[str, Any]) -> str | None:
    if not isinstance(config.get("model"), str):
        return None
    parts = ["lm_eval", "--model", config["model"], "--tasks", task]
    for name in ("model_args", "gen_kwargs"):
        value = config.get(name)
        if isinstance(value, Mapping) and value:
            value = ",".join(f"{key}={entry}" for key, entry in without_secrets(value).items())
        if isinstance(value, str) and value:
            parts += [f"--{name}", value]
    if isinstance(limit := finite(config.get("limit")), float):
        parts += ["--limit", f"{limit:g}"]
    return shlex.join(parts)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def finite(value: Any) -> float | None:
    """A finite number; None for anything else, also for one too large for a float."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
