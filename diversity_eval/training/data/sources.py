"""The rows of the data set that the settings name, and where they came from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data.conversation import NumberedRow
from diversity_eval.training.data.hub_rows import read_hub_rows
from diversity_eval.training.data.json_lines import read_json_lines
from diversity_eval.training.data.layouts import ALPACA, FILE_LAYOUTS, Layout, numina_math_cot, ultrafeedback
from diversity_eval.training.settings import BUILT_IN_DATASETS, TrainSettings

__all__ = ["SourceRows", "read_source"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_SHOWN = 12


@dataclass(frozen=True)
class SourceRows:
    """The first rows of a source in order; `place` stands before a row's number in messages and reports."""

    rows: Sequence[NumberedRow]
    layout: Layout
    place: str
    provenance: dict[str, Any]


def read_source(settings: TrainSettings) -> SourceRows:
    """The rows of `settings.dataset`, at most the first `first_rows`.

    Raises DiversityEvalError if the name is unknown, the data cannot be had, or no row has the columns that
    are needed.
    """
    name = settings.dataset
    if settings.reasoning and name != "numina_math_cot":
        raise DiversityEvalError(
            f"reasoning marks the boxed answers of numina_math_cot and does not apply to dataset={name!r}; "
            "leave it out"
        )
    if name in BUILT_IN_DATASETS:
        return _built_in(name, settings)
    if name.lower().endswith(".jsonl"):
        return _file(Path(name).expanduser(), settings)
    if _HUB_ID.fullmatch(name):
        return _hub(name, settings)
    raise DiversityEvalError(
        f"dataset={name!r} is not {', '.join(BUILT_IN_DATASETS)}, a .jsonl file or the name of a Hub data "
        "set (ORG/NAME); give one of these"
    )


def _built_in(name: str, settings: TrainSettings) -> SourceRows:
    from diversity_eval.data.resolve import load_rows
    from diversity_eval.data.sources import source

    layouts = {
        "alpaca": ALPACA,
        "ultrafeedback": ultrafeedback(settings.min_score),
        "numina_math_cot": numina_math_cot(settings.reasoning),
    }
    entry = source(f"{name}_train")
    loaded = load_rows(entry.name)
    rows = [NumberedRow(number, row) for number, row in enumerate(loaded.rows[: settings.first_rows], 1)]
    provenance = asdict(loaded.provenance) | {"license": entry.license}
    return SourceRows(rows, layouts[name], f"{name} row", provenance)


def _file(path: Path, settings: TrainSettings) -> SourceRows:
    rows, sha256 = read_json_lines(path, settings.first_rows)
    layout = _layout_of(rows, str(path))
    provenance = {
        "source": path.name,
        "where": "file",
        "location": str(path),
        "revision": None,
        "sha256": sha256,
        "columns": list(layout.columns),
        "license": None,
    }
    return SourceRows(rows, layout, f"{path} line", provenance)


def _hub(name: str, settings: TrainSettings) -> SourceRows:
    if Path(name).exists():
        raise DiversityEvalError(
            f"dataset={name!r} is a path here, which would be read in place of the Hub's data set of that "
            "name; run from another directory, or give a .jsonl file"
        )
    columns = {column for layout in FILE_LAYOUTS for column in layout.columns} | {"input"}
    found = read_hub_rows(name, settings.dataset_config, settings.dataset_split, columns, settings.first_rows)
    rows = [NumberedRow(number, row) for number, row in enumerate(found.rows, 1)]
    layout = _layout_of(rows, found.location, found.columns)
    provenance = {
        "source": name,
        "where": "hub",
        "location": found.location,
        "revision": found.revision,
        "sha256": None,
        "columns": list(layout.columns),
        "license": found.license,
    }
    return SourceRows(rows, layout, f"{name} row", provenance)


def _layout_of(rows: Sequence[NumberedRow], where: str, columns: Sequence[str] = ()) -> Layout:
    """The layout that most rows have."""
    if not rows:
        raise DiversityEvalError(f"{where} holds no rows; expected rows with {_expected()}")
    objects = [row.value for row in rows if isinstance(row.value, Mapping)]
    if not objects:
        raise DiversityEvalError(
            f"{where} holds no usable row (line {rows[0].number}: {rows[0].problem}); expected JSON objects, "
            f"one a line, with {_expected()}"
        )
    counts = [sum(layout.fits(row) for row in objects) for layout in FILE_LAYOUTS]
    if not max(counts):
        names = list(columns or objects[0])
        found = ", ".join(repr(name)[:60] for name in names[:_SHOWN]) or "none"
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise DiversityEvalError(
            f"{where} has no row with the columns of a training set: expected {_expected()}; found "
            f"{found}{more}"
        )
    return FILE_LAYOUTS[counts.index(max(counts))]


def _expected() -> str:
    return ", or ".join(" and ".join(map(repr, layout.columns)) for layout in FILE_LAYOUTS)
