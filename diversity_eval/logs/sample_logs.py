"""lm-eval's sample logs (`samples_TASK_TIME.jsonl`) with the results file beside them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.document import DocumentFields
from diversity_eval.logs.kinds import Judged, judged_as
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.logs.rows import Row
from diversity_eval.logs.run_fields import fields_of_log, fields_of_record
from diversity_eval.prompting.cleanup import clean_response

__all__ = [
    "SAMPLE_LOG",
    "TIME",
    "NotGeneratedError",
    "metrics_of",
    "notes_of",
    "read_results",
    "results_beside",
    "run_of_samples",
    "safe_name",
    "task_of_log",
]

TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}(?:\.[0-9]+)?"
"""lm-eval's time stamp in file names, as a regular expression."""

SAMPLE_LOG = re.compile(rf"samples_(?P<task>.+)_(?P<time>{TIME})\.jsonl")
"""The name of a sample log."""

_KEPT = (
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "doc_hash", "prompt_hash",
    "target_hash",
)  # fmt: skip
_FILTER = "none"
_BY_TASK = ("results", "configs", "n-samples", "higher_is_better")
_UNSAFE = re.compile(r"[\"<>:/|\\?*\[\]\x00-\x1f\x7f]+")
_LONGEST_NAME = 150  # bytes; with prefix, time and ending still below what file systems take


class NotGeneratedError(DiversityEvalError):
    """The log is of a task that compares given answers; there are no responses in it."""


def safe_name(name: str) -> str:
    """A model's or task's name as a file name: as lm-eval has it, but never too long or another folder."""
    safe = _UNSAFE.sub("__", name).encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore")
    return safe if safe.strip(". ") else "__"


def run_of_samples(
    path: Path,
    rows: Sequence[Row],
    sha256: str,
    *,
    results_path: Path | None = None,
    results: Mapping[str, Any] | None = None,
    kind: str | None = None,
    prompt_field: str | None = None,
) -> LoggedRun:
    """The run in a sample log.

    Responses are those that one of this project's tasks (or `score`) cleaned and logged; of other tasks,
    whose filters keep one response or a piece of it, they are the raw ones, cleaned here. Where the log holds
    several filters' rows of one document, the first counts.

    Args:
        path: the file.
        rows: its rows with their places, at least one.
        sha256: its digest.
        results_path: the results file of the same run, where there is one.
        results: what is in that.
        kind: of task, where the user says it.
        prompt_field: the field of `doc` with the bare prompt, likewise.

    Raises:
        NotGeneratedError: a task without responses.
        DiversityEvalError: names file, line and what is wrong with the first broken row.
    """
    results = results or {}
    name = SAMPLE_LOG.fullmatch(path.name)
    task = task_of_log(path, results)
    run = LoggedRun(
        task=task,
        model=str(results["model_name"]) if results.get("model_name") else None,
        path=path,
        sha256=sha256,
        kind="",
        prompt_field=None,
        prompts=(),
        fields={},
        time=name["time"] if name else None,
        results=results,
        results_path=results_path,
        available=((results.get("n-samples") or {}).get(task) or {}).get("original"),
    )
    judged = judged_as(task, run.record, kind=kind, prompt_field=prompt_field)
    if not judged.certain and judged.prompt_field not in (rows[0][1].get("doc") or {}):
        judged = replace(judged, prompt_field=None)
    prompts, settings = _prompts(run, rows, judged)
    fields = fields_of_record(run.record)
    if fields is None:
        fields = fields_of_log(task, [prompt.prompt for prompt in prompts], settings, results)
    return replace(
        run, kind=judged.kind, prompt_field=judged.prompt_field, prompts=prompts, fields=fields,
        judged=kind is not None or run.record.get("judged") is not False,
    )  # fmt: skip


def task_of_log(path: Path, results: Mapping[str, Any]) -> str:
    """The task that a sample log is of: the one of its results file whose name as a file name it has."""
    name = SAMPLE_LOG.fullmatch(path.name)
    logged_as = name["task"] if name else path.stem
    return next(
        (task for task in results.get("configs") or {} if logged_as in (task, safe_name(task))), logged_as
    )


def results_beside(path: Path) -> Path | None:
    """A sample log's results file, which has the same time in its name; None if there is none.

    It is called results_TIME.json, or NAME_TIME.json if lm_eval's --output_path named a file.
    """
    name = SAMPLE_LOG.fullmatch(path.name)
    if name is None:
        return None
    folder, time = path.parent, name["time"]
    usual = folder / f"results_{time}.json"
    if usual.is_file():
        return usual
    return next((path for path in sorted(folder.iterdir()) if path.name.endswith(f"_{time}.json")), None)


def read_results(path: Path) -> Mapping[str, Any]:
    """lm-eval's results file.

    Raises DiversityEvalError if it is none.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DiversityEvalError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DiversityEvalError(f"{path}: not JSON ({error}); expected a results file of lm-eval") from None
    if not isinstance(results, dict) or not isinstance(results.get("results"), dict):
        raise DiversityEvalError(f"{path}: not a results file of lm-eval, which has an object `results`")
    _check_sections(path, results)
    return results


def _check_sections(path: Path, results: Mapping[str, Any]) -> None:
    """Raise DiversityEvalError where a section has not lm-eval's form, so that nobody has to look again."""
    for name in (*_BY_TASK, "versions", "config", "group_subtasks", "groups"):
        section = results.get(name)
        if section is not None and not isinstance(section, dict):
            raise DiversityEvalError(f"{path}: `{name}` is no object; expected a results file of lm-eval")
        for task, entry in (section or {}).items() if name in _BY_TASK else ():
            if not isinstance(entry, dict):
                raise DiversityEvalError(
                    f"{path}: `{name}` of {task} is no object; expected a results file of lm-eval"
                )
    for task, counts in (results.get("n-samples") or {}).items():
        for count in counts.values():
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise DiversityEvalError(f"{path}: `n-samples` of {task} is {count!r}; expected a count")


def _prompts(
    run: LoggedRun, rows: Sequence[Row], judged: Judged
) -> tuple[tuple[LoggedPrompt, ...], list[Mapping[str, Any]]]:
    prompts: dict[int, LoggedPrompt] = {}
    first: dict[int, tuple[str, Any]] = {}
    settings: list[Mapping[str, Any]] = []
    fields = DocumentFields.of_task(run.task, run.record)
    for where, row in rows:
        place = f"{run.path}, {where}"
        doc_id = row.get("doc_id")
        if isinstance(doc_id, bool) or not isinstance(doc_id, int):
            raise DiversityEvalError(
                f"{place}: `doc_id` is {doc_id!r}; expected a line of an lm-eval sample log"
            )
        if doc_id in prompts:
            earlier, filter_ = first[doc_id]
            if filter_ == row.get("filter"):
                raise DiversityEvalError(f"{place}: document {doc_id} was in {earlier} already")
            continue
        first[doc_id] = where, row.get("filter")
        sent, requests = _sent(row, run.task, place)
        settings += requests
        raw, responses = _responses(row, requests, run, place)
        prompts[doc_id] = LoggedPrompt(
            doc_id=doc_id,
            prompt=_bare_prompt(row, judged, sent, place),
            responses=tuple(text for request in responses for text in request),
            raw_responses=tuple(text for request in raw for text in request),
            row={
                **{key: row[key] for key in _KEPT if key in row},
                "filtered_resps": responses,
                "filter": _FILTER,
            },
            id=fields.identity_of(row.get("doc")),
            metrics=metrics_of(row),
            notes=notes_of(row),
            **_answers(row.get("doc"), fields, place),
        )
    return tuple(prompts.values()), settings


def _sent(row: Mapping[str, Any], task: str, place: str) -> tuple[str, list[Mapping[str, Any]]]:
    """The prompt as sent, and the sampling settings of each request."""
    arguments = row.get("arguments")
    # Before 0.4.3 lm-eval wrote lists.
    requests = list(arguments.values()) if isinstance(arguments, dict) else arguments
    if not isinstance(requests, list) or not requests:
        raise DiversityEvalError(f"{place}: no `arguments`; expected a line of an lm-eval sample log")
    parts = [list(request.values()) if isinstance(request, dict) else request for request in requests]
    if not all(isinstance(p, list) and len(p) > 1 and isinstance(p[1], dict) for p in parts):
        raise NotGeneratedError(
            f"{place}: the task {task} compares given answers and has no responses; only tasks with "
            "`output_type: generate_until` can be scored"
        )
    prompt = parts[0][0]
    # Chat messages for a server: a tuple with their JSON.
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)
    return text, [part[1] for part in parts]


def _responses(
    row: Mapping[str, Any], requests: Sequence[Mapping[str, Any]], run: LoggedRun, place: str
) -> tuple[list[list[str]], list[list[str]]]:
    """Raw and cleaned responses, a list per request."""
    raw = _texts(row.get("resps"), place)
    if raw is None or not any(raw):
        raise DiversityEvalError(
            f"{place}: no responses in `resps`; expected a line of an lm-eval sample log"
        )
    # Without a results file nobody knows whose log it is; then the form of our tasks' logs decides.
    if run.record or not run.results:
        kept = _texts(row.get("filtered_resps"), place)
        if (
            kept is not None
            and [len(r) for r in kept] == [len(r) for r in raw]
            and row.get("filter") == _FILTER
        ):
            return raw, kept
    ends = _end_texts(requests, run.results)
    return raw, [[clean_response(text, ends) for text in request] for request in raw]


def _texts(logged: Any, place: str) -> list[list[str]] | None:
    """lm-eval's nested list of texts, or None if it has another form."""
    if not isinstance(logged, list) or not all(isinstance(request, list) for request in logged):
        return None
    for request in logged:
        if wrong := [text for text in request if not isinstance(text, str)]:
            raise DiversityEvalError(f"{place}: a response is {wrong[0]!r}; expected a text")
    return logged


def _end_texts(requests: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> list[str]:
    """Where the run cut its responses: its stop strings and its tokenizer's own end marker."""
    ends: dict[str, None] = {}
    for request in requests:
        until = request.get("until") or []
        ends |= dict.fromkeys([until] if isinstance(until, str) else map(str, until))
    marker = results.get("tokenizer_eos_token")
    if isinstance(marker, list) and marker:
        ends[str(marker[0])] = None
    return list(ends)


def _bare_prompt(row: Mapping[str, Any], judged: Judged, sent: str, place: str) -> str:
    if judged.prompt_field is None:
        return sent
    doc = row.get("doc")
    if isinstance(doc, dict) and judged.prompt_field in doc:
        return str(doc[judged.prompt_field])
    has = f"it has {', '.join(map(repr, doc))}" if isinstance(doc, dict) else "there is no `doc`"
    raise DiversityEvalError(f"{place}: no field {judged.prompt_field!r} in the document; {has}")


def _answers(doc: Any, fields: DocumentFields, place: str) -> dict[str, Any]:
    try:
        return {
            "categories": fields.categories_of(doc),
            "reference": fields.reference_of(doc),
            "labels": fields.labels_of(doc),
        }
    except DiversityEvalError as error:
        raise DiversityEvalError(f"{place}: {error}") from None


def metrics_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a sample log's line: what its `metrics` names, where a float can hold it."""
    names = row.get("metrics")
    found = {}
    for name in names if isinstance(names, list) else ():
        value = row.get(name) if isinstance(name, str) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                found[name] = float(value)
            except OverflowError:  # a whole number of hundreds of digits
                continue
    return found


def notes_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a sample log's line holds beside lm-eval's fields and its metrics."""
    names = row.get("metrics")
    named = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    known = {*_KEPT, "metrics", *named}
    return {name: value for name, value in row.items() if name not in known}
