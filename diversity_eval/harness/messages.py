"""Messages to a person who runs plain `lm_eval`: one line, no traceback."""

import logging
import re
import sys
from collections.abc import Collection
from types import TracebackType

from diversity_eval.errors import DiversityEvalError

__all__ = ["expect_fewer_documents", "logger", "one_line_errors", "warn_once"]

# lm-eval configures only its own logger, so a message that must be seen goes through a child of it.
logger = logging.getLogger("lm_eval.diversity_eval")


_said: set[str] = set()


def warn_once(key: str, message: str) -> None:
    """Warn about something that concerns the whole run, not every task of it."""
    if key not in _said:
        _said.add(key)
        logger.warning("%s", message)


_NUMBER = re.compile(r"([^\s,()]+),[^\s,()=]+=([0-9]+)")


def expect_fewer_documents(task: str, metrics: Collection[str]) -> None:
    """Keep lm-eval from warning that these metrics are over some of a task's documents only: it is meant.

    The warning, which names every metric, comes as before if any other metric lacks documents.
    """
    begin = f"[{task}] Metrics were not scored on the same number of documents ("

    def wanted(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if not message.startswith(begin):
            return True
        listed = message.removeprefix(begin).partition(")")[0]
        return len({count for name, count in _NUMBER.findall(listed) if name not in metrics}) > 1

    logging.getLogger("lm_eval.evaluator_utils").addFilter(wanted)


def one_line_errors() -> None:
    """Show an uncaught DiversityEvalError as one line instead of a traceback.

    lm-eval's command line catches nothing. Every other exception is shown as before, and the exit
    status stays 1. Calling it again changes nothing.
    """
    previous = sys.excepthook
    if getattr(previous, "shows_diversity_eval_errors", False):
        return

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, DiversityEvalError):
            print(f"diversity-eval: error: {error}", file=sys.stderr)
        else:
            previous(kind, error, trace)

    show.shows_diversity_eval_errors = True  # type: ignore[attr-defined]
    sys.excepthook = show
