"""The two forms of a judge's reply: the line `Total rating: N`, or one word alone."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from diversity_eval.judging.verdict import (
    REPLY_START,
    Verdict,
    verdict_from_probabilities,
    verdict_from_reply,
)

__all__ = ["AROUND", "OneWord", "RatingLine", "ReplyForm", "bare_word", "parse_word", "reply_form"]

AROUND = " \t\n\r\x0b\x0c\xa0\u3000\"'*_`~\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a"
"""White space, quotation marks and Markdown emphasis, which mean nothing around a word that stands alone."""
_FINAL = ".,;:!\u3002"  # no question mark: who asks has not decided


@dataclass(frozen=True)
class ReplyForm(ABC):
    """What a judge is to answer, and how its answer becomes a verdict.

    Attributes:
        lowest: the lowest rating.
        highest: the highest rating.
        start: the reply's fixed beginning, which a judge in `rate` mode is given; empty if there is none.
        lead: what stands between a prompt and the reply where no chat template does.
    """

    lowest: int
    highest: int

    start: ClassVar[str] = ""
    lead: ClassVar[str] = ""

    @property
    @abstractmethod
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """The whole replies that give each rating, lowest rating first, the usual spelling first."""

    @property
    @abstractmethod
    def names(self) -> str:
        """What messages call the answers: `the ratings 0 to 5`."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to do where a tokenizer does not tell the answers apart, beside another mode."""

    @property
    @abstractmethod
    def task(self) -> tuple[str, str]:
        """How a question about a response begins and ends: with what to grade, in which form to answer."""

    @abstractmethod
    def verdict(self, reply: str, *, cut: bool = False) -> Verdict:
        """The verdict of a written reply; unscored, with the reason, if it gives none.

        `cut` says that the token limit ended it.
        """

    @abstractmethod
    def distribution_verdict(self, probabilities: Sequence[float], reply: str) -> Verdict:
        """The verdict of the answers' probabilities; see `verdict_from_probabilities`."""

    def begun(self, continuation: str) -> str:
        """The reply whose fixed beginning was given to the judge, for the record."""
        if not self.start:
            return continuation
        return f"{self.start}{'' if continuation[:1].isspace() else ' '}{continuation}"


@dataclass(frozen=True)
class RatingLine(ReplyForm):
    """`Total rating: N`; the last valid one in the reply counts."""

    start: ClassVar[str] = REPLY_START
    lead: ClassVar[str] = "\n"

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """See `ReplyForm.answers`."""
        return tuple((f"{REPLY_START} {rating}",) for rating in range(self.lowest, self.highest + 1))

    @property
    def names(self) -> str:
        """See `ReplyForm.names`."""
        return f"the ratings {self.lowest} to {self.highest}"

    @property
    def advice(self) -> str:
        """See `ReplyForm.advice`."""
        return "a scale of single digits"

    @property
    def task(self) -> tuple[str, str]:
        """See `ReplyForm.task`."""
        return (
            f"with a whole number from {self.lowest} to {self.highest}",
            f"Answer with a single line of the form below, N being your number:\n{REPLY_START} N",
        )

    def verdict(self, reply: str, *, cut: bool = False) -> Verdict:
        """See `ReplyForm.verdict`."""
        return verdict_from_reply(reply, self.lowest, self.highest, cut=cut)

    def distribution_verdict(self, probabilities: Sequence[float], reply: str) -> Verdict:
        """See `ReplyForm.distribution_verdict`."""
        return verdict_from_probabilities(probabilities, self.lowest, reply=reply)


@dataclass(frozen=True)
class OneWord(ReplyForm):
    """One word alone.

    Attributes:
        words: one for each rating, lowest rating first.
    """

    words: tuple[str, ...]

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """See `ReplyForm.answers`."""
        return tuple(_spellings(word) for word in self.words)

    @property
    def names(self) -> str:
        """See `ReplyForm.names`."""
        return f"the words {', '.join(self.words)}"

    @property
    def advice(self) -> str:
        """See `ReplyForm.advice`."""
        return "words that begin differently"

    @property
    def task(self) -> tuple[str, str]:
        """See `ReplyForm.task`."""
        listed = ", ".join(self.words)
        return (
            f"with one of the words {listed}, of which the last is for the best",
            f"Answer with one of these words and nothing else: {listed}",
        )

    def verdict(self, reply: str, *, cut: bool = False) -> Verdict:
        """See `ReplyForm.verdict`."""
        place = parse_word(reply, self.words, cut=cut)
        if place is not None:
            return Verdict(self.lowest + place, reply)
        if not reply.strip():
            said = "the reply is empty"
        elif cut:
            said = "the token limit cut the reply"
        else:
            said = "the reply is not one word of these alone"
        return Verdict(None, reply, f"{said} ({', '.join(self.words)})")

    def distribution_verdict(self, probabilities: Sequence[float], reply: str) -> Verdict:
        """See `ReplyForm.distribution_verdict`."""
        return verdict_from_probabilities(probabilities, self.lowest, reply=reply, what=self.names)


def reply_form(scale: tuple[int, int], words: tuple[str, ...] = ()) -> ReplyForm:
    """The form of the replies of a judge with this scale, and with these words if it answers with words."""
    return OneWord(*scale, words) if words else RatingLine(*scale)


def parse_word(text: str, words: Sequence[str], *, cut: bool = False) -> int | None:
    """The place among `words` of the one that a judge's reply is; None if it is anything else.

    Letter case, white space, quotation marks and Markdown emphasis around the word do not matter, nor one
    mark of punctuation after it. The word has to be all of the reply: "no, yes", "not sure" and "yes,
    because" are no verdicts. With `cut` the text was broken off by the token limit, so nobody knows what
    else would have come: no verdict either.
    """
    if cut:
        return None
    said = bare_word(text)
    return next((place for place, word in enumerate(words) if word.casefold() == said), None)


def bare_word(text: str) -> str:
    """The text without what may stand around a word, in small letters."""
    said = text.strip(AROUND)
    if said.endswith(tuple(_FINAL)):
        said = said[:-1].rstrip(AROUND)
    return said.casefold()


def _spellings(word: str) -> tuple[str, ...]:
    forms = (word, word.lower(), word.capitalize(), word.upper())
    return tuple(dict.fromkeys(f"{space}{form}" for space in ("", " ") for form in forms))
