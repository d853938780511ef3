"""A check told in sentences: what the judge sees and what it is blind to."""

from collections.abc import Sequence

from diversity_eval.judging.check.checks import Check, DegradationResult, KindResult
from diversity_eval.judging.check.degradations import DEGRADATIONS
from diversity_eval.judging.check.measures import Agreement, Comparison, Estimate
from diversity_eval.judging.check.readings import (
    Reading,
    read_agreement,
    read_position,
    read_repetition,
)

__all__ = ["interval", "number", "percent", "sentences"]

_LEADS: Sequence[tuple[Reading, str]] = (
    ("sees", "sees"),
    ("sees weakly", "sees weakly"),
    ("blind", "is blind to"),
    ("unclear", "leaves unclear, with so few pairs,"),
    ("prefers it", "prefers to the original"),
)


def number(value: float) -> str:
    """Two digits after the point, `-` where undefined."""
    if value != value:
        return "-"
    return f"{value + 0.0:.2f}" if abs(value) >= 0.005 else "0.00"


def percent(value: float) -> str:
    """A share as per cent, `-` where undefined."""
    return "-" if value != value else f"{100 * value:.0f} %"


def interval(estimate: Estimate) -> str:
    """`1.20 (0.90 to 1.50)`; without an interval the value alone."""
    if estimate.lower != estimate.lower:
        return number(estimate.value)
    return f"{number(estimate.value)} ({number(estimate.lower)} to {number(estimate.upper)})"


def sentences(check: Check, result: KindResult) -> list[str]:
    """What the numbers of one kind of task say, a sentence or two each."""
    found = [_seen("By rating", [(entry, entry.rating, entry.reading) for entry in result.degradations])]
    with_expected = [
        (entry, entry.expected, entry.expected_reading)
        for entry in result.degradations
        if entry.expected is not None and entry.expected_reading is not None
    ]
    if with_expected:
        found.append(_seen("By expected rating", with_expected))
    found += _cut(result)
    found += [f"{text[0].upper()}{text[1:]}." for text in _position(check, result)]
    found.append(_second(result))
    if result.modes is not None:
        found.append(_modes(result.modes))
    if result.human is not None:
        found.append(_human("ratings", result.human))
    if result.human_expected is not None:
        found.append(_human("expected ratings", result.human_expected))
    return found


def _seen(lead: str, rows: Sequence[tuple[DegradationResult, Comparison, Reading]]) -> str:
    parts = []
    rows = [row for row in rows if DEGRADATIONS[row[0].name].costs]
    told = [row for row in rows if row[2] != "too few"]
    for wanted, verb in _LEADS:
        named = [
            f"{DEGRADATIONS[entry.name].title} (original above in {percent(comparison.above.share)}, loss "
            f"{number(comparison.loss.value)})"
            for entry, comparison, reading in told
            if reading == wanted
        ]
        if named:
            parts.append(f"It {verb} {', '.join(named)}.")
    if len(told) < len(rows):
        few = ", ".join(DEGRADATIONS[entry.name].title for entry, _, reading in rows if reading == "too few")
        parts.append(f"There are too few pairs to say anything about {few}.")
    seen = sum(reading == "sees" for *_, reading in rows)
    return f"{lead} the judge sees {seen} of {len(rows)} degradations. {' '.join(parts)}"


def _cut(result: KindResult) -> list[str]:
    entry = next(entry for entry in result.degradations if not DEGRADATIONS[entry.name].costs)
    rows = [("rating", entry.rating, entry.reading, [other.reading for other in result.degradations])]
    if entry.expected is not None and entry.expected_reading is not None:
        others = [other.expected_reading for other in result.degradations if other.expected_reading]
        rows.append(("expected rating", entry.expected, entry.expected_reading, others))
    verdicts = {
        "costs nothing": "passes",
        "costs points": "fails",
        "unclear": "unclear, more responses are needed",
    }
    if entry.reading == "too few":
        return [f"Being cut off was tried on {entry.rating.pairs} responses only, which is too few."]
    found = []
    for measure, comparison, reading, readings in rows:
        loss = comparison.loss
        includes = "includes" if loss.lower <= 0 <= loss.upper else "does not include"
        text = (
            f"Being cut off, which must cost nothing, costs {interval(loss)} points by {measure}; the "
            f"interval {includes} 0: {verdicts[reading]}."
        )
        if reading == "costs nothing" and not {"sees", "sees weakly"} & set(readings):
            text += " That says little: it does not see any degradation."
        found.append(text)
    return found


def _position(check: Check, result: KindResult) -> list[str]:
    low, high = check.config.lowest, check.config.highest
    place = result.position
    mean = f"the originals get {interval(place.mean)} on average, on a scale from {low} to {high}"
    if place.expected.value == place.expected.value:
        mean += f" (expected rating: {interval(place.expected)})"
    if place.unscored:
        mean += f"; {place.unscored} of {place.responses} have no rating"
    return [mean, *read_position(place, low, high)]


def _second(result: KindResult) -> str:
    again = result.repetition
    if again.pairs == 0:
        return "Nothing was rated both times."
    text = f"Asked a second time it gives the same rating to {percent(again.equal.value)}"
    if again.expected_difference == again.expected_difference:
        text += f" (expected ratings differ by {again.expected_difference:.3f} on average)"
    reading = read_repetition(again)
    return f"{text}: {'too few to tell' if reading == 'too few' else 'it ' + reading}."


def _modes(modes: Agreement) -> str:
    missing = " and ".join(map(str, modes.unscored))
    return (
        f"Its modes generate and rate {read_agreement(modes)}: quadratic-weighted kappa "
        f"{interval(modes.kappa)}, equal ratings {percent(modes.exact.value)}, within 1 "
        f"{percent(modes.within_one.value)}, rate minus generate {interval(modes.difference)}, without a "
        f"rating {missing}."
    )


def _human(what: str, human: Agreement) -> str:
    text = (
        f"With the {human.pairs} human ratings its {what} have a rank correlation of "
        f"{interval(human.spearman)}"
    )
    if human.one_scale:
        text += f" and a quadratic-weighted kappa of {interval(human.kappa)}"
    else:
        text += "; kappa does not apply, since the human ratings are not on the judge's scale"
    if human.pairs and not human.spearman.lower > 0:
        text += "; that it follows them is not shown"
    return f"{text}."
