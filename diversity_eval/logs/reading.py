"""From the files and folders that a user names to the runs in them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.data.files import sha256_of
from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedRun
from diversity_eval.logs.response_files import runs_of_rows
from diversity_eval.logs.rows import Row, read_csv, read_jsonl, read_parquet
from diversity_eval.logs.sample_logs import (
    SAMPLE_LOG,
    NotGeneratedError,
    read_results,
    results_beside,
    run_of_samples,
)

__all__ = ["read_logs"]

_READERS: Mapping[str, Callable[[Path], list[Row]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}
_KNOWN = ", ".join((*_READERS, ".json (lm-eval's results file)"))


def read_logs(
    paths: Iterable[Path | str],
    *,
    kind: str | None = None,
    prompt_field: str | None = None,
    warn: Callable[[str], None] | None = None,
) -> list[LoggedRun]:
    """The runs in some files and folders, in the order in which they are named; each file once.

    A file is a sample log of lm-eval, its results file (which stands for the sample logs of the same time
    beside it), NoveltyBench's `generations.jsonl`, or JSONL, CSV or Parquet with prompts and responses; see
    `docs/reference/score.md`. In a folder and the folders below it, sample logs, `generations.jsonl` and
    `identical_TASK_TIME.jsonl` count; logs of tasks that generate nothing are left out with a warning.

    Args:
        paths: files and folders.
        kind: of task, for all of them, instead of what the logs say.
        prompt_field: the field with the bare prompt, likewise.
        warn: called with each warning.

    Raises:
        DiversityEvalError: a path that does not exist, a folder or a file without any responses, a file that
            cannot be read; for a broken row it names file, line and fault.
    """
    reading = _Reading(kind, prompt_field, warn or (lambda message: None))
    for path in map(Path, paths):
        reading.read(path)
    return reading.runs


class _Reading:
    def __init__(self, kind: str | None, prompt_field: str | None, warn: Callable[[str], None]) -> None:
        self.runs: list[LoggedRun] = []
        self._options = {"kind": kind, "prompt_field": prompt_field}
        self._warn = warn
        self._seen: set[Path] = set()
        self._results: dict[Path, Mapping[str, Any]] = {}

    def read(self, path: Path) -> None:
        if path.is_dir():
            self._read_folder(path)
        elif not path.exists():
            raise DiversityEvalError(f"{path}: no such file or folder")
        elif path.suffix.lower() == ".json":
            self._read_results(path)
        else:
            self._read_file(path)

    def _read_folder(self, folder: Path) -> None:
        files = [path for path in sorted(folder.rglob("*.jsonl")) if _is_log(path.name) and path.is_file()]
        if not files:
            raise DiversityEvalError(f"{folder}: {_what_is_missing(folder)}")
        self._read_several(files, folder)

    def _read_results(self, path: Path) -> None:
        self._results_of(path)
        beside = [
            found
            for found in sorted(path.parent.iterdir())
            if (name := SAMPLE_LOG.fullmatch(found.name)) and path.name.endswith(f"_{name['time']}.json")
        ]
        if not beside:
            raise DiversityEvalError(
                f"{path}: no sample log (samples_TASK_TIME.jsonl) of the same time beside it; lm_eval writes "
                "the responses with --log_samples only"
            )
        self._read_several(beside, path)

    def _read_several(self, files: Sequence[Path], named: Path) -> None:
        left_out = []
        for file in files:
            try:
                self._read_file(file)
            except NotGeneratedError as error:
                left_out.append(str(error))
        if len(left_out) == len(files):
            raise DiversityEvalError(f"{named}: nothing to score: {left_out[0]}")
        for message in left_out:
            self._warn(f"left out: {message}")

    def _read_file(self, path: Path) -> None:
        if path.resolve() in self._seen:
            return
        read = _READERS.get(path.suffix.lower())
        if read is None:
            raise DiversityEvalError(f"{path}: cannot tell its format; expected a file that ends in {_KNOWN}")
        rows = read(path)
        if not rows:
            raise DiversityEvalError(f"{path}: holds no rows; expected prompts with their responses")
        self._seen.add(path.resolve())
        sha256 = sha256_of(path)
        if "resps" in rows[0][1]:
            results_path = results_beside(path)
            results = self._results_of(results_path) if results_path else {}
            self.runs.append(
                run_of_samples(
                    path, rows, sha256, results_path=results_path, results=results, **self._options
                )
            )
        else:
            self.runs += runs_of_rows(path, rows, sha256, warn=self._warn, **self._options)

    def _results_of(self, path: Path) -> Mapping[str, Any]:
        if path not in self._results:
            self._results[path] = read_results(path)
        return self._results[path]


def _is_log(name: str) -> bool:
    return (
        SAMPLE_LOG.fullmatch(name) is not None
        or name == "generations.jsonl"
        or (name.startswith("identical_") and name.endswith(".jsonl"))
    )


def _what_is_missing(folder: Path) -> str:
    if next(folder.rglob("results_*.json"), None) is not None:
        return "has results but no sample logs; run lm_eval again with --log_samples"
    return (
        "no sample logs (samples_TASK_TIME.jsonl) and no generations.jsonl in it or below; name files of "
        "another form one by one"
    )
