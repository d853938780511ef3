"""The probabilities of words in what a judge's server answers, for judges that answer with one word."""

import math
from collections.abc import Sequence

from diversity_eval.judging.backends.server_replies import SPACE_MARKS, Position
from diversity_eval.judging.reply_form import AROUND, bare_word

__all__ = ["word_probabilities"]

_TO_SPACES = str.maketrans(dict.fromkeys(SPACE_MARKS, " "))


def word_probabilities(positions: Sequence[Position], words: Sequence[str]) -> list[float]:
    """The probability of each word, in the order of `words`, as the first thing that a reply says.

    A token counts for the word that it is apart from letter case and what may stand around a word. Where the
    reply begins with tokens that are nothing but white space, quotation marks or emphasis, or with a word's
    first piece, what comes after them counts with the product of probabilities. The server names the
    likeliest tokens only, and of words in several pieces only the written one is known to the end, so these
    are lower bounds. No word may be the beginning of another.
    """
    names = [word.casefold() for word in words]
    totals = dict.fromkeys(names, 0.0)
    reached = 1.0
    said = ""
    for position in positions:
        for token, probability in position.likeliest:
            name = bare_word(said + token.translate(_TO_SPACES))
            if name in totals:
                totals[name] += reached * probability
        said += position.token.translate(_TO_SPACES)
        piece = _begun(said)
        if not any(name.startswith(piece) and name != piece for name in names):
            break
        reached *= position.probability
    most = max(1.0, math.fsum(totals.values()))
    return [totals[name] / most for name in names]


def _begun(said: str) -> str:
    """The letters so far; "no " has ended, whatever comes, and is the beginning of no word."""
    return said.lstrip(AROUND).casefold()
