"""Which of several processes this is, and what the first one tells."""

import os
import sys

__all__ = ["is_first", "say"]


def is_first() -> bool:
    """Whether this is the only process, or the first that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def say(line: str) -> None:
    """A line for the user, beside the results."""
    print(line, file=sys.stderr, flush=True)
