"""The machine-readable account beside a checkpoint: `diversity_eval.json`."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from diversity_eval.data.writing import write_text
from diversity_eval.errors import DiversityEvalError
from diversity_eval.redaction import without_secrets

__all__ = ["RECORD_FILE", "Kind", "TrainingRecord", "read_record", "write_record"]

RECORD_FILE = "diversity_eval.json"
_FORMAT = 1
_MOST_BYTES = 16 << 20

Kind = Literal["adapter", "model", "quantised", "merged"]


@dataclass(frozen=True)
class TrainingRecord:
    """What is known of a training run when it is over, in plain values.

    `settings` are those of `TrainSettings.as_record()`, `data_report` those of a `DataReport`, `provenance`
    says where the rows came from (with `license` if it is known), `results` what came out. Of the results
    `compute_dtype` says what the base was held and computed in. `merged` is a `MergeReport` as a record.
    """

    settings: Mapping[str, Any]
    data_report: Mapping[str, Any]
    provenance: Mapping[str, Any]
    results: Mapping[str, Any]
    versions: Mapping[str, str]
    hardware: str
    license_notes: Sequence[str] = ()
    merged: Mapping[str, Any] | None = field(default=None)

    def as_record(self) -> dict[str, Any]:
        """The fields as plain values, for files."""
        return asdict(self)


def write_record(folder: Path, kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Write `diversity_eval.json`, without secrets; returns what it says. Numbers that JSON lacks become
    text.
    """
    record = {"format": _FORMAT, "kind": kind, **without_secrets(fields)}
    content = json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / RECORD_FILE, content.encode("utf-8", "replace").decode("utf-8") + "\n")
    return record


def read_record(folder: Path) -> dict[str, Any] | None:
    """What `diversity_eval.json` says; None if there is none.

    Raises DiversityEvalError for one that is damaged or of another format.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too long")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DiversityEvalError(f"{path}: cannot be read ({error}); delete it, or fetch it again") from None
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise DiversityEvalError(
            f"{path}: is not a record of this version of diversity-eval (format {_FORMAT}); delete it to go "
            "on without"
        )
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _plain(each) for each in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)
        ]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
