"""The embedded documents, in the form that the task class takes."""

import hashlib
import json
from typing import Any

from diversity_eval.data.embedded import EmbeddedData
from diversity_eval.demo.corpus import OPENINGS_FILE, PROMPTS_FILE, read_demo_file

__all__ = ["prompt_documents", "story_documents"]


def story_documents() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """Openings of four sentences (`prompt`) with a fifth for reference (`response`), by `id`."""
    return _read(OPENINGS_FILE)


def prompt_documents() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """Short instructions (`instruction`), by `id`."""
    return _read(PROMPTS_FILE)


def _read(name: str) -> tuple[list[dict[str, Any]], EmbeddedData]:
    text = read_demo_file(name)
    rows = [json.loads(line) for line in text.split("\n") if line]
    return rows, EmbeddedData(name, hashlib.sha256(text.encode()).hexdigest(), len(rows))
