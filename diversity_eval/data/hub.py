"""Rows of a data set on the Hugging Face Hub, by our column names: from its cache, or over the network."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diversity_eval.data.files import DataError, Expected, Row, UnreachableError, row_problems
from diversity_eval.data.repository import offline_variable
from diversity_eval.data.sources import HubCopy, Source

__all__ = [
    "ACCESS_TOKEN",
    "HubRows",
    "hub_cache_folder",
    "hub_location",
    "is_in_hub_cache",
    "loaded_commit",
    "read_hub",
    "read_hub_cache",
]

_COMMIT = re.compile(r"[0-9a-f]{40}")
# Access tokens, and the user part of a URL.
ACCESS_TOKEN = re.compile(r"hf_[A-Za-z0-9]{8,}|(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class HubRows:
    """Rows from the Hub, in its order, and the commit they are of (the branch if that is all we know)."""

    rows: list[Row]
    revision: str


def hub_location(copy: HubCopy) -> str:
    """The data set as it is named to `datasets.load_dataset`: id, config, split."""
    return ", ".join(part for part in (copy.id, copy.config, f"split {copy.split}") if part)


def hub_cache_folder() -> Path:
    """Where `datasets` keeps what it has loaded, found as it does, without importing it."""
    if named := os.environ.get("HF_DATASETS_CACHE"):
        return Path(named).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser() / "datasets"


def is_in_hub_cache(copy: HubCopy) -> bool:
    """Whether the Hub's cache has anything of this data set and config; a quick look, not a proof."""
    owner, name = copy.id.split("/")
    # `datasets` turns CamelCase into snake_case here; without case and underscores both are the same.
    wanted = _bare(f"{owner}___{name}")
    try:
        folders = [path for path in hub_cache_folder().iterdir() if _bare(path.name) == wanted]
        return any(path.is_dir() for folder in folders for path in folder.glob(f"{copy.config or '*'}/*/*"))
    except OSError:
        return False


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def read_hub_cache(source: Source) -> HubRows | None:
    """The source's rows from the Hub's cache, or None if they are not there. Needs no network.

    Raises DataError if what is there is not as sources.yaml says.
    """
    copy = source.hub
    if copy is None or not is_in_hub_cache(copy):
        return None
    try:
        from datasets.packaged_modules.cache.cache import Cache
    except ImportError:  # not part of the library's promised interface
        return None
    pinned = _COMMIT.fullmatch(copy.revision) is not None
    try:
        with _quiet_library():
            builder = Cache(
                dataset_name=copy.id.split("/")[1],
                repo_id=copy.id,
                config_name=copy.config,
                version="0.0.0" if pinned else "auto",
                hash=copy.revision if pinned else "auto",
            )
            dataset = builder.as_dataset(split=copy.split)
    except Exception:
        # Any failure means that this cache can't serve the split: half a cache is none.
        return None
    return _our_rows(source, copy, dataset)


def read_hub(source: Source) -> HubRows:
    """The source's rows from the Hub, over the network (`datasets` then has them in its cache).

    Raises UnreachableError if they can't be loaded, DataError if they are not as sources.yaml says.
    """
    copy = source.hub
    if copy is None:
        raise DataError(f"{source.name} is not on the Hugging Face Hub.")
    if Path(copy.id).exists():
        raise DataError(
            f"There is a {copy.id!r} in the current directory, which `datasets` would read in place of the "
            f"Hub's data set of that name. Run from another directory."
        )
    if offline := offline_variable():
        raise UnreachableError(f"{copy.id} is not in the Hub's cache, and {offline} forbids downloading it.")
    import datasets

    try:
        dataset = datasets.load_dataset(copy.id, copy.config, split=copy.split, revision=copy.revision)
    except Exception as error:
        # The library and those below it raise many kinds; whichever it is, there are no data.
        lines = str(error).strip().splitlines() or [""]
        reason = ACCESS_TOKEN.sub("", lines[0])[:300]
        raise UnreachableError(
            f"{source.name} can't be loaded from the Hugging Face Hub ({hub_location(copy)}, revision "
            f"{copy.revision}): {type(error).__name__}: {reason}"
        ) from error
    found = _our_rows(source, copy, dataset)
    if _COMMIT.fullmatch(copy.revision) and found.revision != copy.revision:
        # Without a connection `datasets` goes back to whatever revision its cache has.
        raise UnreachableError(f"{copy.id} at revision {copy.revision} can't be had, only {found.revision}.")
    return found


def _our_rows(source: Source, copy: HubCopy, dataset: Any) -> HubRows:
    theirs = {ours: their for their, ours in copy.rename.items()}
    names = {column: theirs.get(column, column) for column in copy.columns}
    problems: list[str] = []
    if copy.rows is not None and len(dataset) != copy.rows:
        problems.append(f"expected {copy.rows} rows, found {len(dataset)}")
    for name in names.values():
        if name not in dataset.column_names:
            found = ", ".join(repr(column) for column in dataset.column_names)
            problems.append(f"expected a column {name!r}, found {found}")
    rows: list[Row] = []
    if not problems:
        table = dataset.select_columns(list(names.values()))
        rows = [{ours: row[name] for ours, name in names.items()} for row in table.to_list()]
        problems = row_problems(rows, Expected(copy.rows, copy.columns, None))
    if problems:
        raise DataError(
            f"The Hub's copy of {source.name} ({hub_location(copy)}) is not the expected one: "
            f"{'; '.join(problems)}. Set DIVERSITY_EVAL_DATA to a folder with {source.file}."
        )
    return HubRows(rows, loaded_commit(dataset) or copy.revision)


def loaded_commit(dataset: Any) -> str | None:
    """The commit on the Hub that a loaded data set is of; None if it is not known."""
    # `datasets` keeps what it loads in a folder that is named after the commit.
    folders = {Path(file["filename"]).parent.name for file in dataset.cache_files}
    commits = [name for name in folders if _COMMIT.fullmatch(name)]
    return commits[0] if len(commits) == 1 else None


@contextmanager
def _quiet_library() -> Iterator[None]:
    # It warns that it reads the cache, which the provenance says.
    from datasets.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
