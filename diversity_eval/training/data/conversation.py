"""A row of any source as what is trained on: messages, and the place they come from."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Conversation", "FilteredRowError", "Message", "NumberedRow", "UnusableRowError"]


class Message(NamedTuple):
    """One turn. `input` is what an instruction is about (Alpaca); only a user's turn may have one."""

    role: str
    content: str
    input: str = ""

    def for_template(self) -> dict[str, str]:
        """The turn as a chat template takes it."""
        plain = {"role": self.role, "content": self.content}
        return plain | {"input": self.input} if self.input else plain


@dataclass(frozen=True)
class Conversation:
    """Turns that end with an assistant's; `number` is the row's place in its source, from 1."""

    number: int
    messages: tuple[Message, ...]

    @property
    def responses(self) -> tuple[int, ...]:
        """The places of the assistant's turns."""
        return tuple(place for place, turn in enumerate(self.messages) if turn.role == "assistant")


class NumberedRow(NamedTuple):
    """A row as it was read: its number from 1, its value, or what kept it from being read."""

    number: int
    value: object
    problem: str = ""


class UnusableRowError(Exception):
    """A row that cannot be trained on. The text is the reason under which it is counted."""


class FilteredRowError(UnusableRowError):
    """A row that is left out on purpose (a low score, no boxed answer), which `strict` does not mind."""
