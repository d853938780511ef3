"""Files that hold prompts and responses and little else: JSONL, NoveltyBench's generations, CSV, Parquet."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.kinds import judged_as
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.logs.rows import Row
from diversity_eval.logs.run_fields import fields_of_file
from diversity_eval.prompting.cleanup import clean_response

__all__ = ["runs_of_rows"]

_LISTS = ("responses", "generations")
_SINGLE = "response"
_PROMPT = "prompt"
_SHAPE = (
    'expected the fields "prompt" and "responses" (a list), or '
    'one row per response with "prompt" and "response"'
)
_IDENTICAL = re.compile(r"identical_(?P<task>.+)_[0-9]{8}T[0-9]{6}_[0-9]+")
_NOVELTY_BENCH = "novelty_bench"


@dataclass
class _Gathered:
    """The responses to one prompt as they come together."""

    prompt: str
    id: str | int | float | None
    where: str
    doc: Mapping[str, Any]
    responses: list[str] = field(default_factory=list)


def runs_of_rows(
    path: Path, rows: Sequence[Row], sha256: str, *, kind: str | None = None, prompt_field: str | None = None
) -> list[LoggedRun]:
    """The runs in a file's rows, one for each `model` that they name.

    A row has a prompt and a list of responses (`responses`, or NoveltyBench's `generations`; as text, a JSON
    list), or a prompt and one `response`: then rows of equal `id` (of equal prompt, where there is no id)
    belong together, in their order.

    Args:
        path: the file, for messages and names.
        rows: its rows with their places, at least one.
        sha256: the file's digest.
        kind: of task, where the user says it.
        prompt_field: the field with the prompt, likewise.

    Raises:
        DiversityEvalError: names file, line and what is wrong with the first broken row.
    """
    name = prompt_field or _PROMPT
    column = next((column for column in (*_LISTS, _SINGLE) if column in rows[0][1]), None)
    gathered: dict[str | None, dict[Any, _Gathered]] = {}
    for where, row in rows:
        place = f"{path}, {where}"
        if column is None or column not in row:
            raise DiversityEvalError(f"{place}: no {_quoted(column or 'responses')}; {_SHAPE}; {_found(row)}")
        prompt = _text(row, name, place)
        responses = [_text(row, column, place)] if column == _SINGLE else _texts(row[column], column, place)
        identity = _identity(row, place)
        of_model = gathered.setdefault(_model(row, place), {})
        # Lists without ids are prompts of their own, even if two prompts are equal.
        key = identity if identity is not None else prompt if column == _SINGLE else where
        known = of_model.get((identity is not None, key))
        if known is None:
            doc = {field_: value for field_, value in row.items() if field_ != column}
            of_model[identity is not None, key] = _Gathered(prompt, identity, where, doc, responses)
        elif column != _SINGLE:
            raise DiversityEvalError(f"{place}: the id {identity!r} was in {known.where} already")
        elif known.prompt != prompt:
            raise DiversityEvalError(f"{place}: the id {identity!r} had another prompt in {known.where}")
        else:
            known.responses += responses
    return [
        _run(path, model, list(prompts.values()), sha256, kind, name) for model, prompts in gathered.items()
    ]


def _run(
    path: Path, model: str | None, gathered: list[_Gathered], sha256: str, kind: str | None, prompt_field: str
) -> LoggedRun:
    task = _task(path, gathered)
    prompts = tuple(_prompt(index, entry) for index, entry in enumerate(gathered))
    return LoggedRun(
        task=task,
        model=model,
        path=path,
        sha256=sha256,
        kind=judged_as(task, {}, kind=kind).kind,
        prompt_field=prompt_field,
        prompts=prompts,
        fields=fields_of_file(task, [prompt.prompt for prompt in prompts]),
        available=len(prompts),
    )


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
    return LoggedPrompt(index, entry.prompt, tuple(cleaned), tuple(entry.responses), row, entry.id)


def _task(path: Path, gathered: list[_Gathered]) -> str:
    """The task that a file's name tells. NoveltyBench's are all called alike, but ids tell the subset."""
    if path.stem == "generations":
        wildchat = all(str(entry.id).lower().startswith("wildchat") for entry in gathered)
        return f"{_NOVELTY_BENCH}_wildchat" if wildchat else _NOVELTY_BENCH
    identical = _IDENTICAL.fullmatch(path.stem)
    return identical["task"] if identical else path.stem


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    if name not in row:
        raise DiversityEvalError(f"{place}: no {_quoted(name)}; {_SHAPE}; {_found(row)}")
    value = row[name]
    if not isinstance(value, str):
        raise DiversityEvalError(f"{place}: {_quoted(name)} is {_kind_of(value)}; expected a text")
    return value


def _texts(value: Any, name: str, place: str) -> list[str]:
    if isinstance(value, str):  # a CSV holds texts only
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DiversityEvalError(
                f"{place}: {_quoted(name)} is a text that is no JSON list; one response a row goes into a "
                f"column {_quoted(_SINGLE)}"
            ) from None
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
