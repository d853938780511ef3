"""The responses that a judge is checked with: the project's own reference texts, or a user's files."""

import json
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diversity_eval.data.resolve import load_rows
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedPrompt, LoggedRun
from diversity_eval.logs.reading import read_logs
from diversity_eval.logs.rows import Row, read_csv, read_jsonl, read_parquet

__all__ = ["Case", "CaseSet", "read_cases", "reference_cases"]

_RANDOM_PART = 9_225  # rows of the part of Alpaca that data folders hold; the later ones were picked
_NO_INPUT = frozenset({"", "noinput", "no input", "none", "n/a", "not applicable"})
_READERS: Mapping[str, Callable[[Path], list[Row]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A response, as it is rated.

    Attributes:
        id: unique among the cases of a check.
        kind: of task: which rubric.
        prompt: what was asked.
        response: what came.
        human: a person's or a reference rating; None if there is none.
    """

    id: str
    kind: str
    prompt: str
    response: str
    human: float | None = None


@dataclass(frozen=True)
class CaseSet:
    """The cases from one source, and what is known about it.

    Attributes:
        cases: in the source's order.
        record: for the results file.
        description: one line for readers.
    """

    cases: tuple[Case, ...]
    record: Mapping[str, Any]
    description: str


def reference_cases(kind: str, *, limit: int, seed: int) -> CaseSet:
    """Texts that people or a good model wrote: endings of Short Stories, or outputs of Alpaca.

    Args:
        kind: `story` (the first rows) or `instruction` (rows drawn with the seed).
        limit: how many.
        seed: of the draw.

    Raises:
        DiversityEvalError: another kind, or data that cannot be had.
    """
    if kind == "story":
        loaded = load_rows("short_stories")
        cases = [
            Case(f"short_stories/{index}", kind, row["prompt"], row["response"])
            for index, row in enumerate(loaded.rows[:limit])
        ]
        chosen = "first"
    elif kind == "instruction":
        loaded = load_rows("alpaca_train")
        fair = loaded.rows[:_RANDOM_PART] if loaded.provenance.part else loaded.rows
        usable = [
            index for index, row in enumerate(fair) if row["instruction"].strip() and row["output"].strip()
        ]
        drawn = sorted(random.Random(seed).sample(usable, min(limit, len(usable))))
        cases = [
            Case(f"alpaca_train/{index}", kind, _alpaca_prompt(fair[index]), fair[index]["output"])
            for index in drawn
        ]
        chosen = f"drawn with seed {seed}"
    else:
        raise DiversityEvalError(
            f"there are no reference responses of the kind {kind!r}, only story and instruction; name files "
            "of your own with --data"
        )
    title = {
        "story": "Short Stories: each story's own ending",
        "instruction": "Alpaca: instruction and output",
    }
    record = {"rows": len(cases), "chosen": chosen, "provenance": asdict(loaded.provenance)}
    return CaseSet(tuple(cases), record, f"{title[kind]} ({len(cases)} of {len(loaded.rows)}, {chosen})")


def _alpaca_prompt(row: Mapping[str, Any]) -> str:
    given = row["input"].strip()
    without = given.lower().strip("<>[]() .") in _NO_INPUT
    return str(row["instruction"]) if without else f"{row['instruction']}\n\n{given}"


def read_cases(
    paths: Sequence[Path],
    *,
    kind: str | None = None,
    human: str | None = None,
    limit: int,
    warn: Callable[[str], None] | None = None,
) -> list[CaseSet]:
    """Cases from sample logs and files of responses, a set per run.

    Args:
        paths: files and folders, as `diversity_eval.logs.read_logs` takes them.
        kind: of task, instead of what the files say.
        human: the field with human or reference ratings: one per response, a list beside a list.
        limit: the first prompts of each run, all their responses.
        warn: called with each warning.

    Raises:
        DiversityEvalError: what `read_logs` raises; a field `human` that is nowhere, or holds no number.
    """
    sets: list[CaseSet] = []
    labels: dict[str, int] = {}
    ratings: dict[Path, _HumanRatings] = {}
    for whole in read_logs(paths, kind=kind, warn=warn):
        run = whole.first(limit)
        if human is not None and run.path not in ratings:
            ratings[run.path] = _HumanRatings(run.path, human, run.prompt_field)
        label = f"{run.task}/{run.model}" if run.model else run.task
        labels[label] = labels.get(label, 0) + 1
        if labels[label] > 1:
            label = f"{label}#{labels[label]}"
        cases: list[Case] = []
        for place, prompt in enumerate(run.prompts):
            given = ratings[run.path].of(run, prompt) if human is not None else [None] * len(prompt.responses)
            cases += [
                Case(f"{label}/{place}/{index}", run.kind, prompt.prompt, response, rating)
                for index, (response, rating) in enumerate(zip(prompt.responses, given, strict=True))
            ]
        prompts = f"{len(run.prompts)} of {len(whole.prompts)} prompts"
        description = f"{run.path.name}: {label}, {prompts}, {len(cases)} responses"
        record: dict[str, Any] = {
            "file": run.path.name, "sha256": run.sha256, "task": run.task, "model": run.model,
            "prompts": len(run.prompts), "prompts_in_file": len(whole.prompts), "rows": len(cases),
        }  # fmt: skip
        if human is not None:
            rated = sum(case.human is not None for case in cases)
            record |= {"human": human, "human_ratings": rated}
            description += f", {rated} with a rating in {human!r}"
        sets.append(CaseSet(tuple(cases), record, description))
    if human is not None and not any(case.human is not None for found in sets for case in found.cases):
        raise DiversityEvalError(
            f"--human {human}: no response has a rating in a field of that name; give the field of the rows "
            "that holds one number per response (a list, where the responses are one)"
        )
    return sets


class _HumanRatings:
    """The ratings in one file, by what was rated.

    `LoggedRun` keeps one row's fields per prompt, but where a file has a row per response each has a rating
    of its own. So rows are read once more, and matched by model, prompt and response.
    """

    def __init__(self, path: Path, column: str, prompt_field: str | None) -> None:
        self._column = column
        self._path = path
        self._queues: dict[tuple[str | None, str, str], deque[float | None]] | None = None
        rows = _READERS[path.suffix.lower()](path)
        if rows and "resps" in rows[0][1]:
            return  # of sample logs, the document has it
        self._queues = {}
        for where, row in rows:
            self._add(row, f"{path}, {where}", prompt_field or "prompt")

    def of(self, run: LoggedRun, prompt: LoggedPrompt) -> list[float | None]:
        """The ratings of a prompt's responses, in their order."""
        if self._queues is None:
            doc = prompt.row.get("doc")
            value = doc.get(self._column) if isinstance(doc, Mapping) else None
            return self._numbers(value, len(prompt.responses), f"{self._path}, document {prompt.doc_id}")
        return [
            self._queues[run.model, prompt.prompt, response].popleft() for response in prompt.raw_responses
        ]

    def _add(self, row: Mapping[str, Any], place: str, prompt_field: str) -> None:
        assert self._queues is not None
        lists = [row[name] for name in ("responses", "generations") if name in row]
        responses: Any = lists[0] if lists else [row["response"]]
        if isinstance(responses, str):  # in a CSV; the reader of the run has seen that it is a list
            responses = json.loads(responses)
        responses = responses or []  # null, where none were to be had
        numbers = self._numbers(row.get(self._column), len(responses), place)
        for response, number in zip(responses, numbers, strict=True):
            key = (row.get("model") or None, row[prompt_field], response)
            self._queues.setdefault(key, deque()).append(number)

    def _numbers(self, value: Any, count: int, place: str) -> list[float | None]:
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                raise DiversityEvalError(
                    f"{place}: {self._column!r} is a text that is no JSON list of numbers"
                ) from None
        values = value if isinstance(value, list) else [value] * count if value in (None, "") else [value]
        if len(values) != count:
            raise DiversityEvalError(
                f"{place}: {self._column!r} has {len(values)} ratings for {count} responses; expected one "
                "for each, null where there is none"
            )
        return [self._number(entry, place) for entry in values]

    def _number(self, value: Any, place: str) -> float | None:
        if value is None or value == "":
            return None
        try:
            number = float(value) if not isinstance(value, bool) else math.inf
        except (TypeError, ValueError):
            number = math.inf
        if math.isnan(number):  # how some tables say "nothing"
            return None
        if math.isinf(number):
            raise DiversityEvalError(f"{place}: {self._column!r} is {value!r}; expected a number, or null")
        return number
