"""Equal answers in other forms, written by rule: each rule gives another text of the same value, or None."""

import re
from collections.abc import Callable
from decimal import Decimal

__all__ = ["FORMS"]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SCIENTIFIC = re.compile(r"(-?\d+(?:\.\d+)?)e([+-]?\d+)")
_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}")
_TEXT = re.compile(r"\\text\{([^{}\\$]*)\}")


def _value(answer: str) -> Decimal | None:
    return Decimal(answer) if _NUMBER.fullmatch(answer) or _SCIENTIFIC.fullmatch(answer) else None


def _if(pattern: str | re.Pattern[str], new: str) -> Callable[[str], str | None]:
    """The whole answer, if it has the pattern, in another form."""

    def form(answer: str) -> str | None:
        found = re.fullmatch(pattern, answer)
        return found.expand(new) if found else None

    return form


def _everywhere(old: str, new: str) -> Callable[[str], str | None]:
    return lambda answer: answer.replace(old, new) if old in answer else None


def _number(new: Callable[[Decimal], str | None]) -> Callable[[str], str | None]:
    def form(answer: str) -> str | None:
        value = _value(answer)
        return None if value is None else new(value)

    return form


def _thousands(separator: str) -> Callable[[Decimal], str | None]:
    def form(value: Decimal) -> str | None:
        plain = value == value.to_integral_value() and 1000 <= abs(value) < 10**12
        return f"{int(value):,}".replace(",", separator) if plain else None

    return form


def _power(times: str) -> Callable[[Decimal], str | None]:
    def form(value: Decimal) -> str | None:
        mantissa, _, exponent = f"{value:e}".partition("e")
        if value == 0 or "E" in mantissa:
            return None
        return times.format(mantissa, int(exponent))

    return form


def _plain(value: Decimal) -> str | None:
    return f"{value:f}" if Decimal("1e-6") < abs(value) < 10**15 else None


def _zeros(value: Decimal) -> str:
    text = f"{value:f}"
    return text + "00" if "." in text else text + ".00"


def _decimal_of_fraction(answer: str) -> str | None:
    found = _FRACTION.fullmatch(answer)
    if not found or int(found[3]) not in (2, 4, 5, 8, 10, 20, 25):
        return None
    return f"{found[1]}{Decimal(found[2]) / Decimal(found[3])}"


def _spaced(answer: str) -> str | None:
    if _SCIENTIFIC.search(answer) or "\\text" in answer:
        return None
    spaced = re.sub(r"(?<=[\w)}])\s*([+=<>-])\s*(?=[\w\\(])", r" \1 ", answer)
    return spaced if spaced != answer else None


def _without_space(answer: str) -> str | None:
    # A space may end a command or stand in a text.
    shorter = re.sub(r"(?<![A-Za-z])\s+|\s+(?![A-Za-z])", "", answer)
    return shorter if shorter != answer and "\\text" not in answer else None


def _digits(zero: str) -> Callable[[str], str | None]:
    def form(answer: str) -> str | None:
        other = "".join(chr(ord(zero) + int(c)) if c in "0123456789" else c for c in answer)
        return other if other != answer else None

    return form


def _assigned(answer: str) -> str | None:
    return None if re.search(r"[=<>,]|\\(?:le|ge|in|text|leq|geq|lt|gt)\b", answer) else f"w = {answer}"


FORMS: dict[str, Callable[[str], str | None]] = {
    "in dollar signs": lambda answer: f"${answer}$",
    "in \\( \\)": lambda answer: f"\\({answer}\\)",
    "with a full stop": lambda answer: f"{answer}.",
    "with spaces around operators": _spaced,
    "without spaces": _without_space,
    "\\dfrac": _everywhere("\\frac", "\\dfrac"),
    "\\tfrac": _everywhere("\\frac", "\\tfrac"),
    "a/b": _if(_FRACTION, r"\1\2/\3"),
    "fraction as decimal": _decimal_of_fraction,
    "without \\left and \\right": lambda answer: (
        re.sub(r"\\(?:left|right)(?![a-z])", "", answer) if "\\left" in answer else None
    ),
    "assigned": _assigned,
    "\\text unit": _if(_NUMBER, r"\g<0> \\text{ cm}"),
    "\\mathrm unit": _if(_NUMBER, r"\g<0> \\mathrm{~cm}"),
    "\\text unit squared": _if(_NUMBER, r"\g<0>\\text{ cm}^2"),
    "plain unit": _if(_NUMBER, r"\g<0> cm"),
    "\\$": _if(_NUMBER, r"\\$\g<0>"),
    "degrees": _if(_NUMBER, r"\g<0>^\\circ"),
    "without degrees": _if(r"(-?\d+)\^\\circ", r"\1"),
    "without \\text": _if(_TEXT, r"\1"),
    "\\textbf": _if(_TEXT, r"\\textbf{\1}"),
    "\\mathrm": _if(_TEXT, r"\\mathrm{\1}"),
    "bold number": _if(_NUMBER, r"\\mathbf{\g<0>}"),
    "1,000": _number(_thousands(",")),
    "1{,}000": _number(_thousands("{,}")),
    "1\\,000": _number(_thousands("\\,")),
    "1,\\!000": _number(_thousands(",\\!")),
    "1 000": _number(_thousands(" ")),
    "trailing zeros": _number(_zeros),
    "plus sign": _if(r"\d+(?:\.\d+)?", r"+\g<0>"),
    "plain decimal": _number(_plain),
    "a \\times 10^{b}": _number(_power(r"{} \times 10^{{{}}}")),
    "a \\cdot 10^{b}": _number(_power(r"{} \cdot 10^{{{}}}")),
    "a*10^b": _number(_power("{}*10^({})")),
    "aeb": _number(_power("{}e{}")),
    "aEb": _number(_power("{}E{}")),
    "Arabic-Indic digits": _digits("\u0660"),
    "full-width digits": _digits("\uff10"),
}
