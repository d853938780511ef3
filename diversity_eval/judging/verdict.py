"""What a judge decides about one response, and how its words or probabilities become a rating."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "LEAST_SCALE_MASS",
    "REPLY_START",
    "Verdict",
    "failed_verdict",
    "parse_rating",
    "verdict_from_probabilities",
    "verdict_from_reply",
]

REPLY_START = "Total rating:"
"""The fixed part of the reply template `Total rating: N`; in `rate` mode the judge's reply begins with it."""

LEAST_SCALE_MASS = 0.5
"""Below this probability of any rating at all, the judge did not answer the question."""

# ASCII throughout: with Unicode rules `re.IGNORECASE` also takes letters that only look alike.
_EMPHASIS = r"[*_`~]"
_GAP = rf"(?:{_EMPHASIS}|\s)"
_TEMPLATE = re.compile(
    rf"(?<![^\W_])total{_EMPHASIS}{{0,8}}\s{_GAP}{{0,16}}rating{_GAP}{{0,16}}:{_GAP}{{0,16}}([0-9]{{1,9}})",
    re.IGNORECASE | re.ASCII,
)
_AFTER_CHARACTERS = 40  # of the same line: what decides whether the number stands alone
# Space, punctuation, a table's bar, an end-of-text token; but no digit behind them: 4.5, 4..5, 4/5.
_STANDS_ALONE = re.compile(
    rf"{_EMPHASIS}{{0,8}}(?:$|(?=[\s.,;:!?)\]}}\"'\u2019\u201d<|\u2013\u2014-])(?!(?:[^\w\s]|_)*\d))"
)
# "4 or 5", "4 / 5", "3 - 4", "4 1/2": no single number was given. On the next line it is another matter.
_SECOND_NUMBER = re.compile(
    rf"{_EMPHASIS}*\s{_GAP}*(?:(?:or|to|and|of|out\s+of)\b|[-\u2013\u2014/\u2044+~.,])?{_GAP}*[\d\u00bc-\u00be\u2150-\u215e]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's decision about one response.

    Attributes:
        rating: a whole number on the scale; None if the response is unscored.
        reply: the judge's own words, or in `rate` mode the likeliest continuation; kept as they came.
        reason: why it is unscored; empty if it is rated.
        failed: no usable answer was had (server, network), so that a later run asks again. An answer that
            gives no rating is an answer, and is final.
        expected_rating: mean of the distribution over the scale (`rate` mode).
        entropy: of that distribution, in nats, from 0 (certain) to the logarithm of its length.
        scale_mass: probability that the judge gave the scale as a whole, 0 to 1.
        probabilities: the distribution over the scale, lowest rating first, summing to 1.
    """

    rating: int | None
    reply: str = ""
    reason: str = ""
    failed: bool = False
    expected_rating: float | None = None
    entropy: float | None = None
    scale_mass: float | None = None
    probabilities: tuple[float, ...] | None = None


def parse_rating(text: str, lowest: int = 0, highest: int = 5, *, cut: bool = False) -> int | None:
    """The rating that a judge's reply gives: the last valid `Total rating: N` in it.

    Letter case, spacing and Markdown emphasis around the template do not matter. N is written in the
    digits 0-9 and lies between `lowest` and `highest`, both included; anything else (4.5, 4/5, -1, "4 or
    5", 04, other scripts' digits) is no verdict. None if there is no valid one. With `cut` the text was
    broken off by the token limit: a number right at its end may go on (10, 4.5), and is no verdict either.
    """
    rating = None
    for match in _TEMPLATE.finditer(text):
        digits = match[1]
        if cut and match.end() == len(text):
            continue
        if (len(digits) > 1 and digits[0] == "0") or not _ends_there(text, match.end()):
            continue
        value = int(digits)
        if lowest <= value <= highest:
            rating = value
    return rating


def _ends_there(text: str, end: int) -> bool:
    """Whether the number that ends at `end` stands alone on its line."""
    line = re.split(r"[\r\n]", text[end : end + _AFTER_CHARACTERS], maxsplit=1)[0]
    return _STANDS_ALONE.match(line) is not None and _SECOND_NUMBER.match(line) is None


def verdict_from_reply(reply: str, lowest: int, highest: int, *, cut: bool = False) -> Verdict:
    """The verdict of a written reply; unscored, with the reason, if it holds no valid rating.

    `cut` says that the token limit ended it.
    """
    rating = parse_rating(reply, lowest, highest, cut=cut)
    if rating is not None:
        return Verdict(rating, reply)
    said = "the reply is empty" if not reply.strip() else "the reply holds no valid rating"
    return Verdict(None, reply, f"{said} ({REPLY_START} N, N from {lowest} to {highest})")


def verdict_from_probabilities(
    probabilities: Sequence[float], lowest: int, *, reply: str = "", what: str = "a rating"
) -> Verdict:
    """The verdict of a distribution over the scale.

    Args:
        probabilities: what the judge gives to `lowest`, `lowest` + 1, ...: each from 0 to 1, together at
            most 1 (the rest went to text that is no rating).
        lowest: the lowest rating.
        reply: the likeliest continuation, for the record.
        what: what was looked for, for the reason.

    Returns:
        `rating` is the likeliest one (the lower of two equally likely), `expected_rating` and `entropy` are
        of the distribution scaled to sum 1. Unscored if `probabilities` sum to less than one half.
    """
    mass = math.fsum(probabilities)
    if not math.isfinite(mass) or mass < LEAST_SCALE_MASS:
        reason = f"the judge gives {what} a probability of {mass:.3f}, less than {LEAST_SCALE_MASS}"
        return Verdict(None, reply, reason, scale_mass=mass if math.isfinite(mass) else None)
    scaled = tuple(p / mass for p in probabilities)
    best = max(range(len(scaled)), key=lambda index: (scaled[index], -index))
    return Verdict(
        rating=lowest + best,
        reply=reply,
        expected_rating=math.fsum((lowest + index) * p for index, p in enumerate(scaled)),
        entropy=math.fsum(-p * math.log(p) for p in scaled if p > 0),
        scale_mass=min(mass, 1.0),  # float32 sums can be a little above
        probabilities=scaled,
    )


def failed_verdict(reason: str, reply: str = "") -> Verdict:
    """No usable answer was had; the next run asks again."""
    return Verdict(None, reply, reason, failed=True)
