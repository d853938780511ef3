"""Which responses fit into the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Selection", "select_responses"]


@dataclass(frozen=True)
class Selection:
    """The responses in the page.

    Attributes:
        sets: response sets with the prompts that were chosen.
        inside, left_out: numbers of responses.
        said: what the page says of it; empty if all are there.
    """

    sets: tuple[Mapping[str, Any], ...]
    inside: int
    left_out: int
    said: str = ""


def select_responses(
    sets: Sequence[Mapping[str, Any]],
    room: int,
    packed: Callable[[Mapping[str, Any]], str],
    beside: str = "a file",
) -> Selection:
    """All responses if they fit; else those to the prompts on which the runs differ most.

    Args:
        sets: response sets (docs/design/report.md).
        room: bytes for them.
        packed: a set as it will stand in the page.
        beside: the name of the file that has all of them.
    """
    total = sum(map(_count, sets))
    chosen: tuple[Mapping[str, Any], ...] = tuple(sets)
    share = 1.0
    size = sum(len(packed(each)) for each in chosen)
    while size > room and any(each["prompts"] for each in chosen):
        share *= min(0.9, 0.97 * max(room, 0) / size)
        chosen = tuple(_first(each, int(share * len(each["prompts"]))) for each in sets)
        size = sum(len(packed(each)) for each in chosen)
    inside = sum(map(_count, chosen))
    if inside == total:
        return Selection(chosen, total, 0)
    kept, prompts = (sum(len(each["prompts"]) for each in some) for some in (chosen, sets))
    return Selection(
        tuple(each for each in chosen if each["prompts"]), inside, total - inside,
        f"{inside:,} of {total:,} responses are in this page: those to the {kept:,} of {prompts:,} prompts "
        f"on which the runs differ most. All of them are in {beside} beside it.",
    )  # fmt: skip


def _count(of: Mapping[str, Any]) -> int:
    return sum(len(texts) for source in of["responses"] for texts in source if texts is not None)


def _first(of: Mapping[str, Any], count: int) -> Mapping[str, Any]:
    """A set with the prompts of the largest spread only, in their order."""
    spread = _spreads(of)
    kept = sorted(sorted(range(len(spread)), key=lambda place: -spread[place])[:count])

    def of_prompts(line: Sequence[Any]) -> list[Any]:
        return [line[place] for place in kept]

    return {
        **of,
        "prompts": of_prompts(of["prompts"]),
        **{name: [of_prompts(line) for line in of[name]] for name in ("responses", "ratings", "partition")},
        "values": [
            {**value, "by_source": [of_prompts(line) for line in value["by_source"]]}
            for value in of["values"]
        ],
    }


def _spreads(of: Mapping[str, Any]) -> list[float]:
    """By prompt, the largest distance between two runs in any metric, as a share of the metric's own
    range.
    """
    spreads = [0.0] * len(of["prompts"])
    for value in of["values"]:
        known = [number for line in value["by_source"] for number in line if number is not None]
        reach = max(known) - min(known) if known else 0.0
        if not reach:
            continue
        for place in range(len(spreads)):
            here = [line[place] for line in value["by_source"] if line[place] is not None]
            if here:
                spreads[place] = max(spreads[place], (max(here) - min(here)) / reach)
    return spreads
