"""Which results may stand in one column, and what is said where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.run_fields import UNKNOWN
from diversity_eval.report.comparison import Column, Row
from diversity_eval.report.evaluation import Evaluation, MetricValues
from diversity_eval.report.protocols import Protocol
from diversity_eval.report.titles import BASE_SUFFIX, is_headline, task_place, task_title

__all__ = ["Joined", "Result", "comparable_fields", "join"]

# How much of the data was evaluated: said in a cell's marks, and settled by testing on shared prompts.
_PARTIAL = frozenset({"docs", "shortened"})
# Versions of software: a difference is said, but does not split a column.
_SOFTWARE = frozenset(
    {"lm_eval", "version", "nltk", "zlib", "embedder_package", "sympy", "latex2sympy2-extended", "verifier",
     "answer_time_limit", "answer_memory_limit"}
)  # fmt: skip
_MOST_NAMED = 4
_PROMPTS = "prompts"
"""Stands among the fields of results over other texts under the same names."""


@dataclass(frozen=True)
class Result:
    """A metric of one evaluation, in a row; `place` is the evaluation's."""

    row: str
    place: int
    evaluation: Evaluation
    metric: MetricValues


@dataclass
class _Pool:
    """Results that agree in what they say."""

    fields: dict[str, str]
    results: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class Joined:
    """A column with its results, one for each row that has one."""

    column: Column
    results: tuple[Result, ...]


def comparable_fields(signature: Mapping[str, str], allowed: Iterable[str] = ()) -> dict[str, str]:
    """The fields of a signature in which two results of one column have to agree."""
    left_out = {*_PARTIAL, *_SOFTWARE, *allowed}
    return {key: value for key, value in signature.items() if key not in left_out}


def join(
    rows: Sequence[Row],
    evaluations: Sequence[Evaluation],
    *,
    protocol: Protocol | None = None,
    allowed: Iterable[str] = (),
    strict: bool = False,
) -> tuple[list[Joined], list[str]]:
    """The columns of a comparison, and warnings of what is not joined or only joined with a reservation.

    Args:
        rows: of single checkpoints.
        evaluations: to which they point.
        protocol: whose differences are allowed.
        allowed: further signature keys that may differ within a column.
        strict: whether every difference is an error, also one in a version.

    Raises:
        DiversityEvalError: with `strict`, the first differences.
    """
    own = frozenset(allowed)
    by_metric: dict[tuple[str, str], list[Result]] = {}
    for row in rows:
        for place in row.evaluations:
            evaluation = evaluations[place]
            task = _task(evaluation.task, protocol)
            for metric in evaluation.metrics.values():
                by_metric.setdefault((task, metric.name), []).append(
                    Result(row.label, place, evaluation, metric)
                )
    joined: list[Joined] = []
    splits: dict[tuple[str, str], list[str]] = {}
    order = {key: place for place, key in enumerate(by_metric)}
    tasks = list(dict.fromkeys(task for task, _ in by_metric))
    for task, name in sorted(
        by_metric,
        key=lambda key: (*task_place(key[0]), tasks.index(key[0]), not is_headline(*key), order[key]),
    ):
        may_differ = own | (protocol.allowed_for(task) if protocol else frozenset())
        pools = _pools(by_metric[task, name], may_differ, protocol)
        variants = _variants(pools)
        for number, (pool, variant) in enumerate(zip(pools, variants, strict=True), 1):
            notes = _notes(pool, may_differ | ({"task"} if protocol and protocol.base_tasks else set()))
            key = f"{task}/{name}" if number == 1 else f"{task}/{name}~{number}"
            column = Column(
                key=key, task=task, metric=name, variant=variant, headline=is_headline(task, name),
                higher_is_better=_direction(pool.results), signature=_shared(pool), notes=tuple(notes),
            )  # fmt: skip
            joined.append(Joined(column, tuple(pool.results)))
        if len(pools) > 1:
            splits.setdefault((task, _split_text(pools)), []).append(name)
    warnings = [
        f"{task_title(task)}: not in one column, because the runs differ in {text}" for task, text in splits
    ]
    if protocol is None and any(f"{task}{BASE_SUFFIX}" in tasks for task in tasks):
        warnings.append(
            "base checkpoints were run by tasks of their own (..._base), with another prompt, so they have "
            "columns of their own; --protocol paper sets them beside the others, and says what differs"
        )
    if strict:
        _refuse_differences(warnings, joined)
    return joined, warnings


def _refuse_differences(warnings: Sequence[str], joined: Sequence[Joined]) -> None:
    notes = dict.fromkeys(f"{task_title(j.column.task)}: {note}" for j in joined for note in j.column.notes)
    found = [*warnings, *notes]
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise DiversityEvalError(
            f"the runs are not strictly comparable: {'; '.join(found[:3])}{more}; leave out --strict to see "
            "them side by side, or evaluate them in the same way"
        )


def _task(task: str, protocol: Protocol | None) -> str:
    if protocol is None or not protocol.base_tasks:
        return task
    head, base, tail = task.partition(BASE_SUFFIX)
    return head + tail if base and (not tail or tail.startswith("_")) else task


def _pools(results: Sequence[Result], allowed: frozenset[str], protocol: Protocol | None) -> list[_Pool]:
    """Results in one pool agree in all fields that both know, and in the texts of the prompts that both have,
    since values are paired by the prompts' names; a row is at most once in it.
    """
    pools: list[_Pool] = []
    # What says most first, so that those that say less find where they belong.
    for result in sorted(results, key=lambda r: list(r.metric.signature.values()).count(UNKNOWN)):
        fields = comparable_fields(result.metric.signature, allowed)
        if "task" in fields:  # with its version, which has to agree
            name, at, version = fields["task"].partition("@")
            fields["task"] = f"{_task(name, protocol)}{at}{version}"
        for pool in pools:
            if not _agree(pool.fields, fields) or any(other.row == result.row for other in pool.results):
                continue
            if result.evaluation.other_texts([other.evaluation for other in pool.results]):
                fields[_PROMPTS] = "other texts"
            else:
                pool.results.append(result)
                pool.fields |= {
                    key: value for key, value in fields.items() if pool.fields.get(key, UNKNOWN) == UNKNOWN
                }
                break
        else:
            pools.append(_Pool(dict(fields), [result]))
    order = {id(result): place for place, result in enumerate(results)}
    for pool in pools:
        pool.results.sort(key=lambda result: order[id(result)])
    return sorted(pools, key=lambda pool: (-len(pool.results), order[id(pool.results[0])]))


def _agree(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    return all(_silent(a, key) or _silent(b, key) or a.get(key) == b.get(key) for key in a.keys() | b.keys())


def _silent(fields: Mapping[str, str], key: str) -> bool:
    """Whether a signature leaves open what a field is.

    A signature of ours without the field says that it does not apply, and `unknown` where it ought to. A log
    that does not know how it was sampled does not know the rest either.
    """
    return fields.get(key, "") == UNKNOWN or (key not in fields and fields.get("temperature") == UNKNOWN)


def _direction(results: Sequence[Result]) -> bool | None:
    return next((r.metric.higher_is_better for r in results if r.metric.higher_is_better is not None), None)


def _shared(pool: _Pool) -> dict[str, str]:
    """The fields that all signatures of a column have, with one value."""
    first = pool.results[0].metric.signature
    return {
        key: value
        for key, value in first.items()
        if all(result.metric.signature.get(key) == value for result in pool.results)
    }


def _variants(pools: Sequence[_Pool]) -> list[str]:
    """What tells each pool from the others, in words; empty if there is one only."""
    if len(pools) == 1:
        return [""]
    keys = _different(pools)
    named = [
        ", ".join(f"{key} {_said(pool.fields, key)}" for key in keys) if keys else f"run {number}"
        for number, pool in enumerate(pools, 1)
    ]
    return [name if named.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(named, 1)]


def _different(pools: Sequence[_Pool]) -> list[str]:
    """The fields in which they contradict each other."""
    keys = dict.fromkeys(key for pool in pools for key in pool.fields)
    return [
        key
        for key in keys
        if len({pool.fields.get(key) for pool in pools if not _silent(pool.fields, key)}) > 1
    ]


def _split_text(pools: Sequence[_Pool]) -> str:
    keys = _different(pools)
    if not keys:
        return "their values, though they say the same of how they were made"
    rows = [(result.row, pool.fields) for pool in pools for result in pool.results]
    return "; ".join(f"{key}: {_by_value({row: _said(fields, key) for row, fields in rows})}" for key in keys)


def _said(fields: Mapping[str, str], key: str) -> str:
    return fields.get(key, "as named first" if key == _PROMPTS else "not set")


def _notes(pool: _Pool, allowed: frozenset[str] | set[str]) -> list[str]:
    """What differs within a column."""
    notes = []
    signatures = {result.row: result.metric.signature for result in pool.results}
    unknown: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for signature in signatures.values() for key in signature):
        if key in _PARTIAL:
            continue
        values = {row: signature.get(key, "not set") for row, signature in signatures.items()}
        for row, signature in signatures.items():
            if _silent(signature, key) and any(not _silent(other, key) for other in signatures.values()):
                unknown.setdefault(row, []).append(key)
        known = {row: value for row, value in values.items() if not _silent(signatures[row], key)}
        if len(set(known.values())) > 1:
            why = "; allowed" if key in allowed else ""
            notes.append(f"{key} differs: {_by_value(known)}{why}")
    keys_of: dict[tuple[str, ...], list[str]] = {}
    for row, keys in unknown.items():
        keys_of.setdefault(tuple(keys), []).append(row)
    notes += [f"{_names(who)}: {', '.join(keys)} not known" for keys, who in keys_of.items()]
    return notes


def _by_value(values: Mapping[str, str]) -> str:
    """`64 (a, b), 256 (c)`."""
    rows: dict[str, list[str]] = {}
    for row, value in values.items():
        rows.setdefault(value, []).append(row)
    return ", ".join(f"{value} ({_names(who)})" for value, who in rows.items())


def _names(rows: Sequence[str]) -> str:
    shown = ", ".join(rows[:_MOST_NAMED])
    return f"{shown} and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else shown
