"""From the columns of a row to a conversation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from diversity_eval.prompting.delimiters import (
    ANSWER_CLOSE,
    ANSWER_OPEN,
    REASONING_CLOSE,
    REASONING_DELIMITERS,
    REASONING_OPEN,
)
from diversity_eval.training.data.boxed import last_boxed
from diversity_eval.training.data.conversation import FilteredRowError, Message, UnusableRowError

__all__ = ["ALPACA", "FILE_LAYOUTS", "Layout", "numina_math_cot", "ultrafeedback"]

Row = Mapping[str, object]


@dataclass(frozen=True)
class Layout:
    """Which columns a row has, and how they become turns.

    `messages` raises UnusableRowError for a row that cannot be trained on.
    """

    columns: tuple[str, ...]
    messages: Callable[[Row], tuple[Message, ...]]

    def fits(self, row: Row) -> bool:
        """Whether the row has all the columns that it must have."""
        return all(row.get(column) is not None for column in self.columns)


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    if value is None:
        raise UnusableRowError(f"missing field {column!r}")
    if not isinstance(value, str):
        raise UnusableRowError(f"wrong type of {column!r}")
    return value


def _turns(prompt: str, response: str, input_text: str = "") -> tuple[Message, ...]:
    """One question and its answer. White space around the response is not trained on: it is never scored."""
    response = response.strip()
    if not prompt.strip():
        raise UnusableRowError("empty prompt")
    if not response:
        raise UnusableRowError("empty response")
    return (
        Message("user", prompt, input_text if input_text.strip() else ""),
        Message("assistant", response),
    )


def _pair(prompt: str, response: str) -> Layout:
    return Layout((prompt, response), lambda row: _turns(_text(row, prompt), _text(row, response)))


def _alpaca(row: Row) -> tuple[Message, ...]:
    given = "" if row.get("input") is None else _text(row, "input")
    return _turns(_text(row, "instruction"), _text(row, "output"), given)


ALPACA = Layout(("instruction", "output"), _alpaca)


def ultrafeedback(min_score: float) -> Layout:
    """Each prompt's best completion by `overall_score` (of equals the first), if it reaches `min_score`."""

    def messages(row: Row) -> tuple[Message, ...]:
        prompt = _text(row, "instruction")
        completions = row.get("completions")
        if completions is None:
            raise UnusableRowError("missing field 'completions'")
        if not isinstance(completions, list) or not all(isinstance(each, Mapping) for each in completions):
            raise UnusableRowError("wrong type of 'completions'")
        scored = [(score, each) for each in completions if (score := _score(each)) is not None]
        if not scored:
            raise UnusableRowError("no completion with a score")
        score, best = max(scored, key=lambda pair: pair[0])
        if score < min_score:
            raise FilteredRowError(f"score below {min_score:g}")
        return _turns(prompt, _text(best, "response"))

    return Layout(("instruction", "completions"), messages)


def _score(completion: Row) -> float | None:
    """A completion's score on UltraFeedback's scale of 1 to 10; None for anything else (N/A, NaN, ...)."""
    value = completion.get("overall_score")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if math.isfinite(score) and 0 <= score <= 10 else None


def numina_math_cot(reasoning: bool) -> Layout:
    """Solutions with a boxed answer; `reasoning` marks the solution and repeats its answer, marked, behind.

    Proofs that end in an empty box are used as they are, but have no answer to mark.
    """

    def messages(row: Row) -> tuple[Message, ...]:
        user, assistant = _turns(_text(row, "problem"), _text(row, "solution"))
        answer = last_boxed(assistant.content)
        if answer is None:
            raise FilteredRowError("no boxed answer")
        if not reasoning:
            return (user, assistant)
        if not answer:
            raise FilteredRowError("empty boxed answer")
        if any(each in turn.content for turn in (user, assistant) for each in REASONING_DELIMITERS):
            raise UnusableRowError("contains a delimiter")
        marked = (REASONING_OPEN, assistant.content, REASONING_CLOSE, ANSWER_OPEN, answer, ANSWER_CLOSE)
        return (user, Message("assistant", "\n".join(marked)))

    return Layout(("problem", "solution"), messages)


def _conversation(row: Row) -> tuple[Message, ...]:
    """Turns of a `messages` column: perhaps a system's, then the user's and the assistant's in turn."""
    value = row.get("messages")
    if value is None:
        raise UnusableRowError("missing field 'messages'")
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise UnusableRowError("wrong type of 'messages'")
    turns = [_turn(each) for each in value]
    if turns and turns[0].role == "system" and not turns[0].content.strip():
        del turns[0]
    if not turns:
        raise UnusableRowError("no messages")
    if turns[-1].role != "assistant":
        raise UnusableRowError("the last message is not the assistant's")
    first = 1 if turns[0].role == "system" else 0
    expected = [("user", "assistant")[place % 2] for place in range(len(turns) - first)]
    if [turn.role for turn in turns[first:]] != expected:
        raise UnusableRowError("user and assistant do not take turns")
    for turn in turns:
        if not turn.content.strip():
            raise UnusableRowError("empty response" if turn.role == "assistant" else "empty prompt")
    return tuple(turns)


def _turn(message: Row) -> Message:
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "user", "assistant"):
        raise UnusableRowError("a role other than system, user and assistant")
    if not isinstance(content, str):
        raise UnusableRowError("a message without text")
    return Message(str(role), content.strip() if role == "assistant" else content)


FILE_LAYOUTS = (
    Layout(("messages",), _conversation),
    _pair("prompt", "response"),
    _pair("prompt", "completion"),
    ALPACA,
)
"""What a .jsonl file or a Hub data set may look like; where several fit equally, the first counts."""
