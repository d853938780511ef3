"""Files of prompts and responses as tests write them, and what `read_logs` finds in them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from diversity_eval.logs import LoggedRun, read_logs


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="ascii")
    return path


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    path.write_bytes(text.getvalue().encode())
    return path


def only(path: Path, **options: Any) -> LoggedRun:
    (run,) = read_logs([path], **options)
    return run


def content(run: LoggedRun) -> list[tuple[str, list[str]]]:
    return [(prompt.prompt, list(prompt.raw_responses)) for prompt in run.prompts]
