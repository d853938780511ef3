"""Files that hold prompts and responses and little else: JSONL, NoveltyBench's generations, CSV, Parquet."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.kinds import judged_as
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.logs.novelty_subsets import TASKS, subset_of_ids, subset_of_path
from diversity_eval.logs.rows import Row
from diversity_eval.logs.run_fields import fields_of_file
from diversity_eval.prompting.cleanup import clean_response

__all__ = ["runs_of_rows"]

_GENERATIONS = "generations"
_LISTS = ("responses", _GENERATIONS)
_SINGLE = "response"
_PROMPT = "prompt"
_SHAPE = (
    'expected the fields "prompt" and "responses" (a list), or '
    'one row per response with "prompt" and "response"'
)
_IDENTICAL = re.compile(r"identical_(?P<task>.+)_[0-9]{8}T[0-9]{6}_[0-9]+")
# NoveltyBench's file names, its text in place of a response that a provider blocked, and fields of rows from
# which it took the responses to make the files small.
_GENERATIONS_FILE = "generations"
_JUDGED_FILES = ("partitions", "scores")
_BLOCKED = "[Blocked]"
_JUDGED_FIELDS = ("partition", "distinct", "generation_scores", "partition_scores", "utility")


@dataclass
class _Gathered:
    """The responses to one prompt as they come together."""

    prompt: str
    id: str | int | float | None
    where: str
    doc: Mapping[str, Any]
    responses: list[str] = field(default_factory=list)
    missing: int = 0


def runs_of_rows(
    path: Path,
    rows: Sequence[Row],
    sha256: str,
    *,
    kind: str | None = None,
    prompt_field: str | None = None,
    warn: Callable[[str], None] | None = None,
) -> list[LoggedRun]:
    """The runs in a file's rows, one for each `model` that they name.

    A row has a prompt and a list of responses (`responses`, or NoveltyBench's `generations`; as text, a JSON
    list), or a prompt and one `response`: then rows of equal `id` (of equal prompt, where there is no id)
    belong together, in their order.

    In `generations`, null and `[Blocked]` are responses that the benchmark's scripts could not get, and null
    or an empty list is a prompt without any. They are left out, counted and warned of. Elsewhere they are
    errors, except that `[Blocked]` is a text like any other.

    Args:
        path: the file, for messages and names.
        rows: its rows with their places, at least one.
        sha256: the file's digest.
        kind: of task, where the user says it.
        prompt_field: the field with the prompt, likewise.
        warn: called with a warning for each run that lacks responses.

    Raises:
        DiversityEvalError: names file, line and what is wrong with the first broken row; or no prompt of a
            run has a response.
    """
    name = prompt_field or _PROMPT
    column = next((column for column in (*_LISTS, _SINGLE) if column in rows[0][1]), None)
    gathered: dict[str | None, dict[Any, _Gathered]] = {}
    for where, row in rows:
        place = f"{path}, {where}"
        if column is None or column not in row:
            raise DiversityEvalError(f"{place}: {_without_responses(row, column)}")
        prompt = _text(row, name, place)
        missing = 0
        if column == _SINGLE:
            responses = [_text(row, column, place)]
        elif column == _GENERATIONS:
            responses, missing = _generations(row[column], place)
        else:
            responses = _texts(row[column], column, place)
        identity = _identity(row, place)
        of_model = gathered.setdefault(_model(row, place), {})
        # Lists without ids are prompts of their own, even if two prompts are equal.
        key = identity if identity is not None else prompt if column == _SINGLE else where
        known = of_model.get((identity is not None, key))
        if known is None:
            doc = {field_: value for field_, value in row.items() if field_ != column}
            of_model[identity is not None, key] = _Gathered(prompt, identity, where, doc, responses, missing)
        elif column != _SINGLE:
            raise DiversityEvalError(f"{place}: the id {identity!r} was in {known.where} already")
        elif known.prompt != prompt:
            raise DiversityEvalError(f"{place}: the id {identity!r} had another prompt in {known.where}")
        else:
            known.responses += responses
    runs = [
        _run(path, model, list(prompts.values()), sha256, kind, name, column)
        for model, prompts in gathered.items()
    ]
    for run in runs:
        if warn is not None and (message := _what_is_missing(run)):
            warn(message)
    return runs


def _run(
    path: Path,
    model: str | None,
    gathered: list[_Gathered],
    sha256: str,
    kind: str | None,
    prompt_field: str,
    column: str | None,
) -> LoggedRun:
    task = _task(path, gathered, column)
    prompts = tuple(_prompt(index, entry) for index, entry in enumerate(gathered) if entry.responses)
    if not prompts:
        raise DiversityEvalError(
            f"{path}: none of the {len(gathered)} prompts{f' of {model}' if model else ''} has a response; "
            "generate them again"
        )
    left_out = len(gathered) - len(prompts)
    return LoggedRun(
        task=task,
        model=model,
        path=path,
        sha256=sha256,
        kind=judged_as(task, {}, kind=kind).kind,
        prompt_field=prompt_field,
        prompts=prompts,
        fields=fields_of_file(task, [prompt.prompt for prompt in prompts], left_out),
        available=len(gathered),
        left_out=left_out,
    )


def _what_is_missing(run: LoggedRun) -> str:
    parts = []
    lacking = [prompt for prompt in run.prompts if prompt.missing]
    if lacking:
        missing = sum(prompt.missing for prompt in lacking)
        parts.append(
            f"{_count(missing, 'missing response')} (null or {_BLOCKED}) of {_count(len(lacking), 'prompt')}"
        )
    if run.left_out:
        parts.append(f"{_count(run.left_out, 'prompt')} of {run.available} without any response")
    name = f"{run.path}, model {run.model}" if run.model else run.path
    return f"{name}: left out {' and '.join(parts)}; all figures are over the rest" if parts else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _prompt(index: int, entry: _Gathered) -> LoggedPrompt:
    cleaned = [clean_response(text) for text in entry.responses]
    row = {
        "doc_id": index,
        "doc": dict(entry.doc),
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": entry.prompt, "arg_1": {}}},
        "resps": [entry.responses],
        "filtered_resps": [cleaned],
        "filter": "none",
    }
    category = entry.doc.get("category")
    return LoggedPrompt(
        doc_id=index,
        prompt=entry.prompt,
        responses=tuple(cleaned),
        raw_responses=tuple(entry.responses),
        row=row,
        id=entry.id,
        categories=(category,) if isinstance(category, str) and category else (),
        missing=entry.missing,
    )


def _task(path: Path, gathered: list[_Gathered], column: str | None) -> str:
    """The task that a file's name tells. NoveltyBench's are called alike; ids or folder tell the subset."""
    if path.stem == _GENERATIONS_FILE or (path.stem in _JUDGED_FILES and column == _GENERATIONS):
        return TASKS[subset_of_ids(entry.id for entry in gathered) or subset_of_path(path) or "curated"]
    identical = _IDENTICAL.fullmatch(path.stem)
    return identical["task"] if identical else path.stem


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    if name not in row:
        raise DiversityEvalError(f"{place}: no {_quoted(name)}; {_SHAPE}; {_found(row)}")
    value = row[name]
    if not isinstance(value, str):
        raise DiversityEvalError(f"{place}: {_quoted(name)} is {_kind_of(value)}; expected a text")
    return value


def _generations(value: Any, place: str) -> tuple[list[str], int]:
    """The responses in a row of the benchmark's, and how many entries say that there was none."""
    value = _parsed(value, _GENERATIONS, place)
    if value is None or value == []:
        return [], 0
    if not isinstance(value, list):
        return _texts(value, _GENERATIONS, place), 0  # says what is wrong
    missing = [text is None or text == _BLOCKED for text in value]
    texts = ["" if lacks else text for text, lacks in zip(value, missing, strict=True)]
    checked = zip(_texts(texts, _GENERATIONS, place), missing, strict=True)
    return [text for text, lacks in checked if not lacks], sum(missing)


def _parsed(value: Any, name: str, place: str) -> Any:
    """A list as it is; one in a CSV, which holds texts only, out of its JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise DiversityEvalError(
            f"{place}: {_quoted(name)} is a text that is no JSON list; one response a row goes into a "
            f"column {_quoted(_SINGLE)}"
        ) from None


def _texts(value: Any, name: str, place: str) -> list[str]:
    value = _parsed(value, name, place)
    if not isinstance(value, list):
        raise DiversityEvalError(f"{place}: {_quoted(name)} is {_kind_of(value)}; expected a list of texts")
    if not value:
        raise DiversityEvalError(f"{place}: {_quoted(name)} is empty; leave out prompts without responses")
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise DiversityEvalError(
                f"{place}: response {index} in {_quoted(name)} is {_kind_of(text)}; expected a text (an "
                'empty response is "")'
            )
    return value


def _identity(row: Mapping[str, Any], place: str) -> str | int | float | None:
    value = row.get("id")
    if value is None or value == "" or value != value:  # nan is how some tables say "nothing"
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DiversityEvalError(f'{place}: "id" is {_kind_of(value)}; expected a text or a number')
    return value


def _model(row: Mapping[str, Any], place: str) -> str | None:
    value = row.get("model")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise DiversityEvalError(f'{place}: "model" is {_kind_of(value)}; expected a name')
    return value


def _without_responses(row: Mapping[str, Any], column: str | None) -> str:
    judged = next((name for name in _JUDGED_FIELDS if name in row), None)
    if column is None and judged is not None:
        return (
            f'it has {_quoted(judged)} but no "generations": the responses were taken out of this file of '
            "NoveltyBench's; read the run's generations.jsonl, or its scores.jsonl with the responses"
        )
    return f"no {_quoted(column or 'responses')}; {_SHAPE}; {_found(row)}"


def _found(row: Mapping[str, Any]) -> str:
    return f"it has {', '.join(map(repr, list(row)[:8]))}" if row else "it has none"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _kind_of(value: Any) -> str:
    if value is None:
        return "missing (null)"
    return {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}.get(
        type(value), f"of the kind {type(value).__name__}"
    )
