"""`judge_check.json`: every measure and every rating of a check, and how they came about."""

import math
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from diversity_eval.judging.check.cases import CaseSet
from diversity_eval.judging.check.checks import Check
from diversity_eval.judging.check.degradations import DEGRADATIONS
from diversity_eval.judging.verdict import Verdict
from diversity_eval.versions import versions_of

__all__ = ["case_rows", "summary"]

_PACKAGES = ("numpy", "openai", "transformers", "torch", "vllm", "matplotlib")
_REASONS = 5


def summary(check: Check, sets: Sequence[CaseSet], *, command: str, time: str) -> dict[str, Any]:
    """Everything but the single ratings, ready for JSON: what is undefined (nan) is null.

    Args:
        check: finished.
        sets: where its cases came from.
        command: what the user typed.
        time: when, for the record.
    """
    unscored = [verdict for verdict in check.verdicts if verdict.rating is None]
    reasons = Counter(verdict.reason for verdict in unscored)
    found = {
        "judge": check.config.name,
        "signatures": {result.kind: result.signature for result in check.kinds},
        "mode": check.config.mode,
        "scale": [check.config.lowest, check.config.highest],
        "seed": check.seed,
        "ratings": len(check.verdicts),
        "unscored": len(unscored),
        "unscored_reasons": dict(reasons.most_common(_REASONS)),
        "kinds": [asdict(result) for result in check.kinds],
        "degradations": {
            name: {"title": entry.title, "costs": entry.costs} for name, entry in DEGRADATIONS.items()
        },
        "data": [dict(entry.record) for entry in sets],
        "runs": dict(check.records),
        "command": command,
        "time": time,
        "python": platform.python_version(),
        "packages": versions_of(_PACKAGES),
    }
    ready: dict[str, Any] = _ready(found)
    return ready


def case_rows(check: Check) -> list[dict[str, Any]]:
    """The ratings of each case, ready for JSON: original, second time, other mode, each degradation."""
    rows = []
    for place, case in enumerate(check.cases):
        row: dict[str, Any] = {"id": case.id, "kind": case.kind, "human": case.human}
        row["original"] = _verdict(check.answers.originals[place])
        row["second"] = _verdict(check.answers.second[place])
        if check.other_mode is not None:
            row["other_mode"] = _verdict(check.other_mode[place])
        degraded = {
            name: _verdict(verdicts[place])
            for name, verdicts in check.answers.degraded.items()
            if place in verdicts
        }
        rows.append(row | ({"degraded": degraded} if degraded else {}))
    ready: list[dict[str, Any]] = _ready(rows)
    return ready


def _verdict(verdict: Verdict) -> dict[str, Any]:
    if verdict.rating is None:
        return {"rating": None, "reason": verdict.reason, "reply": verdict.reply}
    if verdict.expected_rating is None:
        return {"rating": verdict.rating}
    return {"rating": verdict.rating, "expected": verdict.expected_rating, "entropy": verdict.entropy}


def _ready(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _ready(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_ready(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
