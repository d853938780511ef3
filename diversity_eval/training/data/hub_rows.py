"""Rows of any data set on the Hugging Face Hub."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from diversity_eval.data.hub import ACCESS_TOKEN, loaded_commit
from diversity_eval.data.repository import offline_variable
from diversity_eval.errors import DiversityEvalError

__all__ = ["FoundRows", "read_hub_rows"]


@dataclass(frozen=True)
class FoundRows:
    """Rows with the wanted columns, the names of all columns, and the commit they are of if it is known."""

    rows: list[dict[str, Any]]
    columns: list[str]
    location: str
    revision: str | None
    license: str | None


def read_hub_rows(
    name: str, config: str | None, split: str, wanted: Collection[str], first_rows: int | None
) -> FoundRows:
    """The first rows of a split, with those of the `wanted` columns that it has.

    Code that comes with a data set is never run. Raises DiversityEvalError if the rows cannot be had.
    """
    import datasets

    location = ", ".join(part for part in (name, config, f"split {split}") if part)
    try:
        dataset = datasets.load_dataset(name, config, split=split)
        first = dataset.select(range(len(dataset) if first_rows is None else min(first_rows, len(dataset))))
        columns = [column for column in dataset.column_names if column in wanted]
        # A table without columns has no rows either.
        rows = first.select_columns(columns).to_list() if columns else [{} for _ in range(len(first))]
    except Exception as error:
        # The library and those below it raise many kinds; whichever it is, there are no data.
        lines = str(error).strip().splitlines() or [""]
        offline = offline_variable()
        forbidden = f" {offline} forbids downloading it." if offline else ""
        raise DiversityEvalError(
            f"{location} can't be loaded from the Hugging Face Hub: {type(error).__name__}: "
            f"{ACCESS_TOKEN.sub('', lines[0])[:300]}.{forbidden} Check name, dataset_config and "
            "dataset_split, or train on a .jsonl file"
        ) from None
    commit = loaded_commit(dataset)
    return FoundRows(rows, list(dataset.column_names), location, commit, _license(dataset))


def _license(dataset: Any) -> str | None:
    found = getattr(dataset.info, "license", None)
    return found if isinstance(found, str) and found else None
