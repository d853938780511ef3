"""What the signatures of a logged run's metrics share: as recorded, or as far as the log tells."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diversity_eval.data.files import rows_sha256
from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.signature import Signature, metric_fields

__all__ = [
    "RUN_FIELDS",
    "UNKNOWN",
    "fields_of_file",
    "fields_of_log",
    "fields_of_record",
    "prompts_digest",
    "recorded_fields",
    "without_fresh",
]

UNKNOWN = "unknown"
"""The value of a field of which the log says nothing."""

RUN_FIELDS = "run_fields"
"""The key of a task's record under which what its signatures share stands by itself."""

_SAMPLING = ("temperature", "top_p", "top_k", "max_new_tokens")
_NEW_TOKENS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_JUDGE_FIELDS = ("rubric", "scale")
# Of the computation, not of the run; what it was is computed anew.
_FRESH = ("k", "version")


def without_fresh(fields: Mapping[str, str]) -> dict[str, str]:
    """A run's fields without those that are of a computation and made anew by the next one."""
    return {key: value for key, value in fields.items() if key not in _FRESH}


def fields_of_record(record: Mapping[str, Any]) -> dict[str, str] | None:
    """The run's own fields as its record has them, else as its signatures tell; None if neither does.

    Raises:
        DiversityEvalError: a text that is no signature, or fields that could not stand in one.
    """
    own = record.get(RUN_FIELDS)
    if not isinstance(own, dict):
        return recorded_fields(record.get("signatures") or {})
    return without_fresh(Signature("run", own).as_dict())


def recorded_fields(signatures: Mapping[str, Any]) -> dict[str, str] | None:
    """The run's own fields in its recorded signatures; None if none of them can be taken apart.

    Args:
        signatures: by metric, as a results file has them.

    Raises:
        DiversityEvalError: a text that is no signature.
    """
    candidates = []
    for text in signatures.values():
        signature = Signature.parse(str(text))
        fields = signature.as_dict()
        own = _own_fields(signature.metric, fields)
        if own is not None:
            run = without_fresh({key: value for key, value in fields.items() if key not in own})
            candidates.append((len(own), run))
    # A run's field may be called like a metric's, so the metric with the fewest fields of its own is asked.
    return min(candidates, key=lambda candidate: candidate[0])[1] if candidates else None


def _own_fields(metric: str, fields: Mapping[str, str]) -> set[str] | None:
    if metric.startswith("quality"):
        return {key for key in fields if key.startswith("judge") or key in _JUDGE_FIELDS}
    try:
        return set(metric_fields(metric))
    except DiversityEvalError:
        return None  # a metric of another version, whose fields are not known here


def prompts_digest(prompts: Iterable[str]) -> str:
    """The start of the SHA-256 of the prompts in their order: which data a run is over."""
    return rows_sha256([{"prompt": prompt} for prompt in prompts], ["prompt"])[:12]


def fields_of_file(task: str, prompts: Sequence[str], left_out: int = 0) -> dict[str, str]:
    """The fields of a file that holds prompts and responses and nothing else.

    Args:
        task: its name.
        prompts: the prompts that have responses.
        left_out: the number of those that have none.
    """
    return {
        "task": task,
        "data": prompts_digest(prompts),
        "docs": f"{len(prompts)} of {len(prompts) + left_out}" if left_out else f"all {len(prompts)}",
        **dict.fromkeys(_SAMPLING, UNKNOWN),
        "prompt": UNKNOWN,
    }


def fields_of_log(
    task: str, prompts: Sequence[str], settings: Sequence[Mapping[str, Any]], results: Mapping[str, Any]
) -> dict[str, str]:
    """The fields of a sample log of a task that records no signatures.

    Args:
        task: its name.
        prompts: the bare prompts.
        settings: the sampling settings of every request, as lm-eval logs them.
        results: the results file, empty where there is none.
    """
    fields = fields_of_file(task, prompts)
    version = (results.get("versions") or {}).get(task)
    if version is not None:
        fields["task"] = f"{task}@{version}"
    fields["docs"] = _documents(task, len(prompts), results)
    fields |= _sampling(settings)
    if system := results.get("system_instruction"):
        fields["system"] = hashlib.sha256(str(system).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    for name, key in (("chat_template", "chat_template_sha"), ("lm_eval", "lm_eval_version")):
        if results.get(key):
            fields[name] = str(results[key])[:12]
    return fields


def _documents(task: str, count: int, results: Mapping[str, Any]) -> str:
    original = ((results.get("n-samples") or {}).get(task) or {}).get("original")
    if original == count:
        return f"all {count}"
    if (results.get("config") or {}).get("limit"):
        return f"first {count} of {original or UNKNOWN}"
    return f"{count} of {original or UNKNOWN}"


def _sampling(settings: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    values: dict[str, set[str]] = {}
    for request in settings:
        for name, value in request.items():
            if name in _NEW_TOKENS:
                name = "max_new_tokens"
            if name == "seed" or not _FIELD.fullmatch(name):
                continue
            if name == "until":
                if not value:
                    continue
                value = hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()[:12]
            values.setdefault(name, set()).add(_value(value))
    return {name: found.pop() if len(found) == 1 else "varies" for name, found in values.items()}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{float(value):g}" if isinstance(value, int | float) else str(value)
