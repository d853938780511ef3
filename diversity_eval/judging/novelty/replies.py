"""What a judge replies about all responses to a prompt, read with distrust: their groups, their scores.

A reply holds one JSON object, maybe with text or a code fence around it. Nothing in it is repaired or
guessed: what is not exactly an answer is none. Where it gives its answer several times, the answers have to
agree; so a response that the judge repeats beside its own answer can at most spoil the reply.
"""

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["LONGEST_REPLY", "ReplyError", "read_groups", "read_scores"]

LONGEST_REPLY = 1 << 16
"""Characters; a longer reply is not read."""


_OPENING = re.compile(r'\{[ \t\n\r]*["}]')


class ReplyError(Exception):
    """The reply is no answer; its text says why."""


def read_groups(reply: str, count: int) -> list[int]:
    """The classes in a reply like `{"groups": [[1, 3], [2]]}`: a partition of the numbers 1 to `count`.

    Args:
        reply: the judge's words.
        count: how many responses it was shown.

    Returns:
        The class of each response, counted from 0 in the order of the responses that open them.

    Raises:
        ReplyError: no such object; a number that is missing, repeated, out of range or no whole number; an
            empty group.
    """
    return _answer(reply, "groups", lambda value: _classes(value, count))


def read_scores(reply: str, count: int, lowest: int, highest: int) -> list[int]:
    """The scores in a reply like `{"scores": [4, 9]}`: `count` whole numbers from `lowest` to `highest`.

    Raises ReplyError as `read_groups` does.
    """

    def scores(value: Any) -> list[int]:
        if not isinstance(value, list) or not all(type(number) is int for number in value):
            raise ReplyError("`scores` is no list of whole numbers")
        if len(value) != count:
            raise ReplyError(f"`scores` has {len(value)} numbers for {count} responses")
        if outside := [number for number in value if not lowest <= number <= highest]:
            raise ReplyError(f"the score {_short(outside[0])} is not from {lowest} to {highest}")
        return list(value)

    return _answer(reply, "scores", scores)


def _classes(value: Any, count: int) -> list[int]:
    # `type`, since True is an int too.
    if not isinstance(value, list) or not all(
        isinstance(group, list) and all(type(number) is int for number in group) for group in value
    ):
        raise ReplyError("`groups` is no list of lists of whole numbers")
    label: dict[int, int] = {}
    for place, group in enumerate(value):
        if not group:
            raise ReplyError("a group is empty")
        for number in group:
            if not 1 <= number <= count:
                raise ReplyError(f"there is no response {_short(number)} among {count}")
            if number in label:
                raise ReplyError(f"response {number} is named twice")
            label[number] = place
    if missing := [number for number in range(1, count + 1) if number not in label]:
        raise ReplyError(f"response {missing[0]} is in no group")
    order: dict[int, int] = {}
    return [order.setdefault(label[number], len(order)) for number in range(1, count + 1)]


def _answer(reply: str, key: str, read: Callable[[Any], list[int]]) -> list[int]:
    if not reply.strip():
        raise ReplyError("the reply is empty")
    if len(reply) > LONGEST_REPLY:
        raise ReplyError(f"the reply is longer than {LONGEST_REPLY} characters")
    answers = [read(found[key]) for found in _objects(reply) if key in found]
    if not answers:
        raise ReplyError(f"the reply holds no JSON object with `{key}`, or breaks off inside it")
    if any(answer != answers[0] for answer in answers):
        raise ReplyError("the reply holds several answers that differ")
    return answers[0]


def _objects(reply: str) -> list[dict[str, Any]]:
    """The JSON objects in a text, outermost ones only.

    After a brace that begins none the search goes on where that showed. Braces that cannot begin one are
    passed over before the decoder sees them: each of its errors counts the lines of the whole reply.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
    found = []
    end = 0
    while opening := _OPENING.search(reply, end):
        at = opening.start()
        try:
            loaded, end = decoder.raw_decode(reply, at)
            found.append(loaded)
        except json.JSONDecodeError as error:
            end = max(at + 1, error.pos)
        except RecursionError:
            raise ReplyError("the reply's JSON is nested too deeply") from None
        except ValueError:  # a number of more digits than Python converts
            raise ReplyError("the reply's JSON holds a number that is too long") from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    loaded = dict(pairs)
    if len(loaded) < len(pairs):
        raise ReplyError("the reply's JSON has a key twice")
    return loaded


def _constant(name: str) -> Any:
    raise ReplyError(f"the reply's JSON holds {name}, which is no JSON")


def _short(number: int) -> str:
    return str(number) if abs(number) < 10**9 else "(a very large number)"
