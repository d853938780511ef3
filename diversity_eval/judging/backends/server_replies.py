"""What a judge's server answers, read with distrust: the reply's text and the probabilities of its tokens.

Two formats of log-probabilities are known: the chat one (`logprobs.content`, a list of tokens with their
alternatives) and the older one of completions (`logprobs.tokens`, `token_logprobs`, `top_logprobs`).
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diversity_eval.judging.verdict import parse_rating

__all__ = [
    "SPACE_MARKS",
    "Answer",
    "AttemptError",
    "Position",
    "read_answer",
    "scale_probabilities",
    "where_the_rating_stands",
]

# Rounding may push a probability a little above 1, no further.
_TOLERANCE = 1e-3
# White space and emphasis may stand between the template's colon and the number, as the parser allows. The
# marks and letters are how some servers write a space or a line's end in a token.
SPACE_MARKS = "\u2581\u0120\u010a"
_GAP = re.compile(rf"[\s*_`~{SPACE_MARKS}]+")
_PLACES_TRIED = 100  # a reply may have many digits after its verdict, but not for ever


class AttemptError(Exception):
    """No usable answer this time; another attempt may have one.

    Attributes:
        reason: what was wrong, without the server's words.
        said: the server's own words.
        wait: seconds that the server asks to wait, if it does.
        unreachable: nothing came in time, or no connection was made.
        no_logprobs: the answer is fine but for its lack of log-probabilities.
    """

    def __init__(
        self,
        reason: str,
        said: str = "",
        *,
        wait: float | None = None,
        unreachable: bool = False,
        no_logprobs: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.said = said
        self.wait = wait
        self.unreachable = unreachable
        self.no_logprobs = no_logprobs


@dataclass(frozen=True, slots=True)
class Position:
    """One token of the reply: its text, its probability, and the likeliest tokens there with theirs."""

    token: str
    probability: float
    likeliest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete and well-formed answer.

    Attributes:
        text: the reply.
        positions: its tokens, if log-probabilities were asked for.
        model: which model the server says it was.
        tokens: the server's count by kind, where it gives one.
        cut: the token limit ended the reply.
    """

    text: str
    positions: tuple[Position, ...] = ()
    model: str = ""
    tokens: Mapping[str, int] = field(default_factory=dict)
    cut: bool = False


def read_answer(body: bytes, *, logprobs: bool) -> Answer:
    """The answer in the body of a response with status 200, of either API.

    Args:
        body: as it came.
        logprobs: whether log-probabilities were asked for; without them there is then no answer.

    Raises:
        AttemptError: the body is not JSON, or not an answer, or its log-probabilities cannot be true.
    """
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        raise AttemptError("the answer is not JSON", _shown(body)) from None
    try:
        choice = loaded["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        if not isinstance(text, str | None):
            raise TypeError
    except (LookupError, TypeError):
        raise AttemptError("the answer is JSON but no completion", _shown(body)) from None
    positions: tuple[Position, ...] = ()
    if logprobs:
        given = choice.get("logprobs")
        try:
            positions = _positions(given)
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
            raise AttemptError("the log-probabilities are malformed", _shown(body)) from None
        if not positions or not any(position.likeliest for position in positions):
            raise AttemptError("the answer has no log-probabilities", text or "", no_logprobs=True)
    model = loaded.get("model")
    model = model if isinstance(model, str) else ""
    cut = choice.get("finish_reason") == "length"
    return Answer(text or "", positions, model, _token_counts(loaded), cut)


def scale_probabilities(positions: Sequence[Position], lowest: int, highest: int) -> list[float]:
    """The probability of each rating, `lowest` first, for a reply that begins after the template's colon.

    A token counts for the rating that it is apart from white space. Where the reply begins with tokens that
    are nothing but white space or emphasis, the ratings after them count with the product of probabilities.
    The server names the likeliest tokens only, so these are lower bounds. Scales of single digits only.
    """
    labels = [str(label) for label in range(lowest, highest + 1)]
    totals = dict.fromkeys(labels, 0.0)
    reached = 1.0
    for position in positions:
        for token, probability in position.likeliest:
            label = _bare(token)
            if label in totals:
                totals[label] += reached * probability
        if not _GAP.fullmatch(position.token):
            break
        reached *= position.probability
    most = max(1.0, math.fsum(totals.values()))
    return [totals[label] / most for label in labels]


def where_the_rating_stands(positions: Sequence[Position], lowest: int, highest: int) -> int | None:
    """Which token holds the digit of the last valid verdict in the reply; None if there is no verdict.

    It is the digit whose change would change the verdict. Scales of single digits only.
    """
    text = "".join(position.token for position in positions)
    rating = parse_rating(text, lowest, highest)
    if rating is None:
        return None
    other = lowest if rating != lowest else highest
    places = [match.start() for match in re.finditer(str(rating), text)]
    for place in reversed(places[-_PLACES_TRIED:]):
        if parse_rating(f"{text[:place]}{other}{text[place + 1 :]}", lowest, highest) == other:
            end = 0
            for index, position in enumerate(positions):
                end += len(position.token)
                if place < end:
                    return index
    return None


def _bare(token: str) -> str:
    return token.strip().strip(SPACE_MARKS).strip()


def _positions(given: Any) -> tuple[Position, ...]:
    if given is None:
        return ()
    if "content" in given:
        return tuple(
            _position(
                entry["token"],
                entry["logprob"],
                [(top["token"], top["logprob"]) for top in entry.get("top_logprobs") or []],
            )
            for entry in given["content"] or []
        )
    tops = given["top_logprobs"]
    if tops is None:
        return ()
    return tuple(
        _position(token, logprob, list((top or {}).items()))
        for token, logprob, top in zip(given["tokens"], given["token_logprobs"], tops, strict=True)
    )


def _position(token: Any, logprob: Any, tops: Sequence[tuple[Any, Any]]) -> Position:
    if not isinstance(token, str) or not all(isinstance(top, str) for top, _ in tops):
        raise TypeError
    probability = _probability(logprob)
    # Two tokens may look alike as text; the same one given twice counts once.
    likeliest = dict.fromkeys((top, _probability(value)) for top, value in tops)
    if tops and token not in {top for top, _ in tops}:
        likeliest[token, probability] = None
    if math.fsum(p for _, p in likeliest) > 1 + _TOLERANCE:
        raise ValueError
    return Position(token, probability, tuple(likeliest))


def _probability(logprob: Any) -> float:
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        raise TypeError
    if not math.isfinite(logprob) or logprob > _TOLERANCE:
        raise ValueError
    return math.exp(min(logprob, 0.0))


def _token_counts(loaded: Mapping[str, Any]) -> dict[str, int]:
    usage = loaded.get("usage")
    if not isinstance(usage, dict):
        return {}
    details = usage.get("prompt_tokens_details")
    counts = {
        "prompt": usage.get("prompt_tokens"),
        "cached": details.get("cached_tokens") if isinstance(details, dict) else None,
        "reply": usage.get("completion_tokens"),
    }
    return {kind: n for kind, n in counts.items() if type(n) is int and 0 <= n < 10**9}


def _shown(body: bytes) -> str:
    return body.decode("utf-8", "replace")
