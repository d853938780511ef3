"""Known ways to make a response worse, and one, being cut off, that a judge must not hold against it.

All are functions of a response and a seed. A degradation that would change nothing, or that the response is
too short for, is None: the case is left out of that comparison and counted.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from diversity_eval.judging.check.cases import Case

__all__ = [
    "DEGRADATIONS",
    "LEAST_WORDS",
    "REPETITIONS",
    "Degradation",
    "cut_off",
    "degrade",
    "half_replaced",
    "repeated",
    "shuffled",
]

LEAST_WORDS = 5
"""Of fewer words, another order or a part can be as good as the whole."""
REPETITIONS = 10
KEPT_SHARE = 0.6
"""Of the words of a response that is cut off."""

_WORD = re.compile(r"\S+")
_GAP = re.compile(r"(\s+)")
_SENTENCE_GAP = re.compile(r"((?<=[.!?])\s+|\n+)")
_SENTENCE_END = re.compile(r"[.!?:][\"'\u201d\u2019)\]*_]*$")


@dataclass(frozen=True)
class Degradation:
    """One way to change a response.

    Attributes:
        name: short, for files.
        title: what was done, for readers.
        costs: whether it must cost points. If not, it must not.
        of_pair: from the response and another prompt's response to the changed one, or None.
        needs_other: whether the other response is used.
    """

    name: str
    title: str
    costs: bool
    of_pair: Callable[[str, str, random.Random], str | None]
    needs_other: bool = False


def shuffled(response: str, draw: random.Random) -> str | None:
    """The words in another order; the white space between them stays where it is."""
    parts = _GAP.split(response.strip())
    words = parts[::2]
    if len(words) < LEAST_WORDS or len(set(words)) < 2:
        return None
    mixed = words.copy()
    draw.shuffle(mixed)
    if mixed == words:
        mixed = [*words[1:], words[0]]
    parts[::2] = mixed
    return "".join(parts)


def half_replaced(response: str, other: str) -> str | None:
    """The first half of the response's words, then the last half of another's."""
    own, foreign = list(_WORD.finditer(response)), list(_WORD.finditer(other))
    if len(own) < LEAST_WORDS or len(foreign) < 2:
        return None
    return f"{response[: own[len(own) // 2 - 1].end()]} {other[foreign[len(foreign) // 2].start() :]}".strip()


def repeated(response: str, draw: random.Random) -> str | None:
    """One of the sentences ten times in a row, where it stands; everything else stays."""
    parts = _SENTENCE_GAP.split(response.strip())
    places = [place for place in range(0, len(parts), 2) if re.search(r"\w", parts[place])]
    if not places:
        return None
    place = draw.choice(places)
    parts[place] = " ".join([parts[place].strip()] * REPETITIONS)
    return "".join(parts)


def cut_off(response: str, draw: random.Random) -> str | None:
    """What a token limit leaves: 60 % of the words, in mid-sentence, at times with half a word more."""
    words = list(_WORD.finditer(response))
    if len(words) < LEAST_WORDS:
        return None
    kept = int(KEPT_SHARE * len(words))
    while kept < len(words) and _SENTENCE_END.search(words[kept - 1][0]):
        kept += 1
    if kept == len(words):
        return None
    following = words[kept]
    inside = following.start() + len(following[0]) // 2
    split = len(following[0]) >= 4 and draw.random() < 0.5
    return response[: inside if split else words[kept - 1].end()].strip()


DEGRADATIONS: Mapping[str, Degradation] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Degradation("shuffled", "words shuffled", True, lambda text, other, draw: shuffled(text, draw)),
            Degradation(
                "other_prompt", "response to another prompt", True, lambda text, other, draw: other, True
            ),
            Degradation(
                "half_replaced", "last half from another response", True,
                lambda text, other, draw: half_replaced(text, other), True,
            ),
            Degradation(
                "repeated", "one sentence ten times", True, lambda text, other, draw: repeated(text, draw)
            ),
            Degradation("empty", "empty", True, lambda text, other, draw: ""),
            Degradation("cut", "cut off mid-sentence", False, lambda text, other, draw: cut_off(text, draw)),
        )
    }
)  # fmt: skip
"""By name, in the order of tables and figures."""


def degrade(name: str, case: Case, pool: Sequence[Case], seed: int) -> str | None:
    """A case's response, degraded.

    Args:
        name: a key of `DEGRADATIONS`.
        case: whose response.
        pool: cases that may lend theirs; of these, only those of the same kind and with another prompt.
        seed: with the same seed, the same text.

    Returns:
        None where the degradation makes no difference: an empty response, one that is too short, no other
        response to take.
    """
    if not case.response.strip():
        return None
    degradation = DEGRADATIONS[name]
    draw = random.Random(f"{seed}/{name}/{case.id}")
    other = ""
    if degradation.needs_other:
        found = _other_response(case, pool, draw)
        if found is None:
            return None
        other = found
    changed = degradation.of_pair(case.response, other, draw)
    return None if changed is None or changed.split() == case.response.split() else changed


def _other_response(case: Case, pool: Sequence[Case], draw: random.Random) -> str | None:
    """From a random place on, the first response that fits; nearly always that is the first looked at."""
    if not pool:
        return None
    start = draw.randrange(len(pool))
    own = case.response.split()
    for step in range(len(pool)):
        other = pool[(start + step) % len(pool)]
        words = other.response.split()
        if other.kind == case.kind and other.prompt != case.prompt and len(words) > 1 and words != own:
            return other.response
    return None
