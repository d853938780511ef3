r"""What can be said of two answers from their texts alone, before a solver is asked.

Nothing here parses a formula. Two things are recognised: the same formula typeset in another way, and plain
numbers, which are compared by value. math-verify compares numbers by rounding to six decimals, so that it
takes 6e-34 for 7e-34, reads `4.5e33` as a product with Euler's number and `1\,000` as two factors, and leaves
out the base in `52_8`.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

__all__ = ["equal_by_text", "for_solver"]

# What a value is assigned to. `\not=` and the like are no assignments.
_NAME = r"(?:[A-Za-z]|\\(?!(?:not|neg|neq?|approx|sim|pm|mp|[lg](?:eq?|t))(?![A-Za-z]))[A-Za-z]+)"
_SIGN = r"[+\-−]"
_SPACE = r"(?:\\[ ,;:]|~|\s)"
# Digits in groups of three, with the same separator everywhere; or just digits.
_DIGITS = r"\d{1,3}(?:(?P<separator>,|\{,\}|,\\!|\\,|\\ | |~)\d{3}(?:(?P=separator)\d{3})*)|\d+"
_POWER = (
    rf"\s*(?:\\times|\\cdot|\*|×|·)\s*10\s*\^\s*"
    rf"(?:\{{\s*(?P<braced>{_SIGN}?\d{{1,4}})\s*\}}|\((?P<bracketed>{_SIGN}?\d{{1,4}})\)|(?P<digit>\d)(?!\d))"
)
_UNIT = (
    rf"{_SPACE}*\\(?:text|textrm|mathrm|mbox|operatorname)\s*\{{(?P<unit>[^{{}}\\\d]*)\}}(?:\^\{{?-?\d\}}?)?"
)
_NUMBER = re.compile(
    rf"(?:(?P<name>{_NAME})\s*=\s*)?(?P<sign>{_SIGN}?)\s*(?:\\\$)?\s*"
    rf"(?:(?P<whole>{_DIGITS})(?P<point>\.\d*)?|(?P<bare>\.\d+))"
    rf"(?:[eE](?P<e>{_SIGN}?\d{{1,4}})|{_POWER})?(?:\s*(?:\^\{{?\\circ\}}?|°))?(?:{_UNIT})?"
)
_RATIO = re.compile(
    rf"(?:(?P<name>{_NAME})\s*=\s*)?(?P<sign>{_SIGN}?)\s*"
    rf"(?:\\[dt]?frac\s*\{{\s*(?P<above>{_SIGN}?\d+)\s*\}}\s*\{{\s*(?P<below>\d+)\s*\}}|(?P<before>\d+)\s*/\s*(?P<after>\d+))"
)
_ASSIGNED = re.compile(rf"\s*{_NAME}\s*=\s*(?P<value>[^=<>]+)")
_FONT = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:bf|it|rm)|mbox|boldsymbol|bm)\s*\{([^{}]*)\}")
_IN_BASE = re.compile(r"0*(?P<digits>[0-9A-Z]+)\s*_\s*\{?\s*(?P<base>\d+)\s*\}?")
# Words after a number that are no unit: they change its value, or more follows.
_NO_UNIT = re.compile(
    r"%|\b(?:percent|percentage|pct|hundred|thousand|[mbtr]+illion|dozen|or|and|i|e|pi)s?\b", re.IGNORECASE
)

_FULL_STOP = re.compile(r"(?<![.\\\s])\.$")
_BARE_POINT = re.compile(r"(?<=\d)\.(?=[/*+\-)\]}])")
_SAME_LOOK = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right)(?![A-Za-z])|\\!"), ""),
    (re.compile(r"(?<!\\)\\[ ,;:]|~"), " "),
    (re.compile(r"([\^_])\s*\{\s*(\w|\\circ)\s*\}"), r"\1\2"),
    # A space matters between two digits and after a command or a word.
    (re.compile(r"(?<=\d)\s+(?=[^\d\s])|(?<=[^A-Za-z\d\s])\s+|(?<=[A-Za-z])\s+(?=[^A-Za-z\d\s])"), ""),
)
_LONGEST_PLAIN = 40  # digits before or after the point
_DECIMALS = 6
_CLOSE = Fraction(1, 10**5)


@dataclass(frozen=True, slots=True)
class _Number:
    name: str | None
    value: Fraction
    integer: bool
    exact: bool


def equal_by_text(reference: str, answer: str) -> bool | None:
    r"""Whether two answers are equal, as far as their texts tell; None if a solver is needed.

    Equal are the same text, and the same formula with other spacing, another size of its fractions or
    brackets, with or without a full stop, all of it in another font or as text; also if the answer assigns it
    to a variable and the reference assigns nothing.

    Of two plain numbers it is known whether they are equal or not. A plain number is a fraction of two
    integers, or digits, maybe with a sign, separators of thousands, a power of ten, a degree sign, a unit in
    `\text` or `\mathrm`; before it may stand a variable that it is assigned to, which counts only if both
    have one. Numbers are equal by value; if one has a decimal point or a power of ten and none is an integer,
    equality to six decimals and a relative 1e-5 will do. Two numerals with their bases, such as `52_8`, are
    equal if digits and base are.
    """
    if reference == answer or _typeset(reference) == _typeset(answer):
        return True
    assigned = _ASSIGNED.fullmatch(answer)
    if assigned and "=" not in reference and _typeset(reference) == _typeset(assigned["value"]):
        return True
    bases = _IN_BASE.fullmatch(reference), _IN_BASE.fullmatch(answer)
    if bases[0] and bases[1]:
        return bases[0].groups() == bases[1].groups()
    a, b = _number(reference), _number(answer)
    if a is None or b is None or (a.name and b.name and a.name != b.name):
        return None
    if a.value == b.value or a.integer or b.integer or (a.exact and b.exact):
        return a.value == b.value
    largest = max(abs(a.value), abs(b.value))
    return (
        largest < 10**15  # beyond, a float has no six decimals
        and round(a.value, _DECIMALS) == round(b.value, _DECIMALS)
        and abs(a.value - b.value) <= _CLOSE * largest
    )


def for_solver(text: str) -> str:
    """The answer as math-verify reads it best: plain numbers in plain digits, no point without digits."""
    found = _NUMBER.fullmatch(_without_font(text))
    if found is not None and found["name"] is None and _is_unit(found["unit"]):
        value = _decimal(found)
        if -_LONGEST_PLAIN < value.adjusted() < _LONGEST_PLAIN:
            return f"{value:f}"
    return _BARE_POINT.sub("", _FULL_STOP.sub("", text))


def _typeset(text: str) -> str:
    text = _without_font(text)
    for pattern, new in _SAME_LOOK:
        text = pattern.sub(new, text)
    return text.strip()


def _without_font(text: str) -> str:
    text = _FULL_STOP.sub("", text)
    whole = _FONT.fullmatch(text)
    return _FULL_STOP.sub("", whole.group(1).strip()) if whole else text


def _number(text: str) -> _Number | None:
    text = _without_font(text)
    if found := _NUMBER.fullmatch(text):
        integer = not (found["point"] or found["bare"] or _power(found))
        value = Fraction(_decimal(found))
        return _Number(found["name"], value, integer, integer) if _is_unit(found["unit"]) else None
    if found := _RATIO.fullmatch(text):
        above, below = found["above"] or found["before"], int(found["below"] or found["after"])
        value = Fraction(
            int(found["sign"].replace("−", "-") + "1") * int(above.replace("−", "-")), below or 1
        )
        return _Number(found["name"], value, value.denominator == 1, True) if below else None
    return None


def _is_unit(text: str | None) -> bool:
    return text is None or not _NO_UNIT.search(text)


def _power(found: re.Match[str]) -> str | None:
    return found["e"] or found["braced"] or found["bracketed"] or found["digit"]


def _decimal(found: re.Match[str]) -> Decimal:
    """The value of a match of `_NUMBER`, which takes more signs and separators than `Decimal` does."""
    sign = "-" if found["sign"] in ("-", "−") else ""
    whole = re.sub(r"\D", "", found["whole"] or "0")
    exponent = int((_power(found) or "0").replace("−", "-"))
    return Decimal(f"{sign}{whole}{found['point'] or found['bare'] or ''}e{exponent}")
