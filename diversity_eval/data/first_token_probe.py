"""The built-in prompts of the first-token probe."""

import hashlib
from pathlib import Path
from typing import Any

import yaml

from diversity_eval.data.embedded import EmbeddedData

__all__ = ["probe_rows"]

_FILE = Path(__file__).with_suffix(".yaml")


def probe_rows() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """The prompts: `id`, `prompt`, `right` and `wrong` (answers, each a list of the words for it)."""
    content = _FILE.read_bytes()
    rows = [
        {
            "id": row["id"],
            "prompt": row["prompt"],
            "right": [_words(answer) for answer in row["right"]],
            "wrong": [_words(answer) for answer in row["wrong"]],
        }
        for row in yaml.safe_load(content)
    ]
    return rows, EmbeddedData(_FILE.name, hashlib.sha256(content).hexdigest(), len(rows))


def _words(answer: str | list[str]) -> list[str]:
    return [answer] if isinstance(answer, str) else answer
