"""Markdown and YAML from values that come from users and downloaded files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["block", "code", "front_matter", "table", "text"]

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_PIPE = re.compile(r"(?<!\\)\|")
# Control characters, and line ends of any kind.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def front_matter(fields: Mapping[str, Any]) -> str:
    """The YAML block at a card's head; fields that are None or empty are left out."""
    import yaml

    kept = {key: value for key, value in fields.items() if value not in (None, "", [], {})}
    return f"---\n{yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)}---\n"


def text(value: Any) -> str:
    """A value as plain words: on one line, nothing in it marks anything up."""
    return _MARKS.sub(r"\\\1", _one_line(value))


def code(value: Any) -> str:
    """A value as a code span."""
    content = _one_line(value)
    ticks = "`" * (_longest_run(content) + 1)
    padding = " " if content.startswith("`") or content.endswith("`") or not content else ""
    return f"{ticks}{padding}{content}{padding}{ticks}"


def block(lines: Iterable[str], language: str = "sh") -> str:
    """Lines of code between fences that nothing in them can close."""
    content = [_CONTROL.sub(" ", _clean(line)).rstrip() for line in lines]
    fence = "`" * max(3, _longest_run("\n".join(content)) + 1)
    return "\n".join([f"{fence}{language}", *content, fence]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *([_PIPE.sub(r"\|", cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _one_line(value: Any) -> str:
    return _CONTROL.sub(" ", _clean(value)).strip()


def _clean(value: Any) -> str:
    """Text that UTF-8 can hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _longest_run(content: str) -> int:
    return max((len(run) for run in re.findall("`+", content)), default=0)
