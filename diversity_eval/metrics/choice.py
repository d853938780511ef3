"""The label that a response to a question with labelled options names, and whether it is the right one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from diversity_eval.errors import DiversityEvalError

__all__ = ["choice_metrics", "extract_label"]

_WINDOW = 200  # characters behind `Answer:` that are looked at
_VERDICT = re.compile(r"(?<![^\W_])(?<![^\W_][_-])answer[\s*_`~\"')\]]*:[\s*_`~]*", re.IGNORECASE)
_HAS_TEXT = re.compile(r"[^\W_]")

_QUOTES_OPEN, _QUOTES_CLOSE = "\"'“‘«‹„「『【", "\"'”’»›」』】"
_EMPHASIS = "*_`~$"
_OPEN = re.compile(
    rf"(?:\\(?:boxed|text(?:bf|rm|it)?|math(?:bf|rm|it))\s*(?={{)|\\[(\[]|[\s(\[{{{_QUOTES_OPEN}{_EMPHASIS}])*"
)
_CLOSE = re.compile(rf"(?:\s*(?:\\[)\]]|[)\]}}$])|[{_QUOTES_CLOSE}{_EMPHASIS}])*")
_CLOSED_FIRMLY = re.compile(r"[)\]}]|\*\*")

# Set off from what follows: nothing follows, or a full stop, comma, dash, table's bar, end-of-text token.
# Not 3.5, 1:30, 3,000 or -1.
_SET_OFF = re.compile(r"\s*(?:$|[.,:;!?。、]++(?!\d)|[–—]|-{1,3}+(?![\w>])|\||<[|/])")
_SET_OFF_DIGIT = re.compile(r"\s*(?:$|[.,:;!?。、]++(?![^\W_])|[–—]\s|-{1,3}+(?![\w>])|\||<[|/])")
_ABBREVIATION = re.compile(r"\.[^\W\d_]\.")  # e.g., A.M., D.C.
_FREE_TEXT = re.compile(rf"\s+(?:[^\W_]|[(\[{{{_QUOTES_OPEN}{_EMPHASIS}])")
# Behind these a lone A is no article and a number no quantity.
_ABOUT_A_LABEL = re.compile(r"\s+(?:is|because|since|only)\b")
# A backslash too, unless it begins a command: then that may be of the option's text (`(B) \frac{1}{2}`).
_ALTERNATIVE = re.compile(
    r"[^\w.:!?<]*(?:[/&+]|\\(?![a-z])|\\(?:lor|land|vee|wedge|cup|cap)(?![a-z])"
    r"|(?:\\(?:text|mathrm|mbox)\s*{\s*)?\b(?:or|and)\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\s+([^\W_]+)")
_ARTICLES = ("A", "I")  # the labels that are English words too
_BETWEEN = ("or", "and", "to", "through", "vs", "versus")  # two labels


def extract_label(text: str, labels: Sequence[str]) -> str | None:
    """The label X that a response gives as `Answer: X`.

    The last `Answer:` that has a letter or digit behind it decides, whatever was said before. The label is
    the first thing behind it and has to stand alone:

    - Not looked at: letter case of the word, white space (also a line break before the label), Markdown
      emphasis, quotation marks, brackets, `$B$`, `\\boxed{B}`, `\\text{B}`, full width (`Ａ`), the script of
      decimal digits, invisible characters. A letter of the other case will do unless both cases are labels.
    - More text may follow: `B. text`, `B) text`, `C - text`, `B Text`, `B because`.
    - No label are words (`Because`, `B-cell`, `e.g.`) and numbers that are longer than the label (`10`,
      `3.5`, `-1`, `1/2`, `2%`, `$2`).
    - Neither are `A`, `I` and digits with a word in lower case or a number right behind them, which are
      articles, pronouns and quantities (`A dog`, `3 grams`); but `A is`, `A because`, `A since` and `A only`
      are.
    - Nor are several labels (`A or B`, `A/B`, `A, B`, `A B`, `(A) (B)`), and any `or`, `and`, `/`, `&` or `+`
      behind the label. Behind `.`, `:` or a bracket a label that goes on is the option's text: `B. A dog`.

    Args:
        text: the response.
        labels: the labels of the options, different from each other.

    Returns:
        One of `labels`, or None if the response names none, or not just one. Takes time linear in its length.

    Raises:
        DiversityEvalError: no labels, an empty one, or two that are the same.
    """
    known = _known(labels)
    plain = _plain(text)
    verdicts = list(_VERDICT.finditer(plain))
    end = len(plain)
    for verdict in reversed(verdicts):
        if _HAS_TEXT.search(plain, verdict.end(), end):
            said = unicodedata.normalize("NFC", plain[verdict.end() : min(end, verdict.end() + _WINDOW)])
            return _read(said, known)
        end = verdict.start()
    return None


def choice_metrics(label: str | None, key: str) -> dict[str, float]:
    """What one response is worth.

    Args:
        label: what it names (`extract_label`), None if that could not be read.
        key: the right label.

    Returns:
        `accuracy`, 1.0 if the label is right, else 0.0, higher is better; `unparsed`, 1.0 if there is none
        (which is wrong too), else 0.0, lower is better.
    """
    return {"accuracy": float(label == key), "unparsed": float(label is None)}


def _known(labels: Sequence[str]) -> dict[str, str]:
    """Labels by the ways to write them."""
    if not labels:
        raise DiversityEvalError("extract_label needs at least one label, but got none")
    known: dict[str, str] = {}
    for label in labels:
        plain = unicodedata.normalize("NFC", _plain(label).strip())
        if not plain:
            raise DiversityEvalError(f"extract_label needs labels that are not empty, but got {label!r}")
        if plain in known:
            raise DiversityEvalError(
                f"extract_label needs different labels, but {known[plain]!r} and {label!r} are the same"
            )
        known[plain] = label
    others = [
        (other, label) for name, label in known.items() for other in {name.lower(), name.upper()} - {name}
    ]
    times = Counter(other for other, _ in others)
    return known | {other: label for other, label in others if times[other] == 1 and other not in known}


def _plain(text: str) -> str:
    """Compatibility forms and other scripts' digits as plain ones, character by character.

    Normalising the whole text takes time quadratic in a run of combining marks.
    """
    return re.sub(r"[^\x00-\x7f]", _plain_character, text)


def _plain_character(match: re.Match[str]) -> str:
    character = match[0]
    decimal = unicodedata.decimal(character, None)
    if decimal is not None:
        return str(decimal)
    # Also the variation selectors and the frame that make a digit a picture.
    if unicodedata.category(character) == "Cf" or character in "\ufe0e\ufe0f\u20e3":
        return ""
    return unicodedata.normalize("NFKC", character)


def _read(said: str, known: Mapping[str, str]) -> str | None:
    """The label that the text behind `Answer:` begins with, if it is the only one."""
    names = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    opened = _OPEN.match(said)
    found = re.compile(names).match(said, opened.end() if opened else 0)
    if opened is None or found is None:
        return None
    line = (said[found.end() :].splitlines() or [""])[0]
    closing = _CLOSE.match(line)
    closed = _without_next_formula(opened[0], closing[0] if closing else "")
    rest = line[len(closed) :]
    if ("$" in opened[0]) != ("$" in closed):  # a price
        return None
    label = known[found[0]]
    if _names_another(closed, rest, label, known, names):
        return None
    return label if _stands_alone(closed, rest, found[0]) else None


def _without_next_formula(opened: str, closed: str) -> str:
    """What closes a label, without dollar signs that close nothing: they begin what follows (`B) $20`)."""
    marks = [place for place, mark in enumerate(closed) if mark == "$"]
    before = opened.count("$")
    return closed[: marks[before]].rstrip() if len(marks) > before else closed


def _stands_alone(closed: str, rest: str, name: str) -> bool:
    if _ALTERNATIVE.match(rest) or (not closed and _ABBREVIATION.match(rest)):
        return False
    if (_SET_OFF_DIGIT if name.isdecimal() else _SET_OFF).match(rest):
        return True
    if closed:
        # (B)text and **B**text, but not B's or (2)3.
        return rest[0].isspace() or (rest[0].isalpha() and _CLOSED_FIRMLY.search(closed) is not None)
    word = _WORD.match(rest)
    if (name.upper() in _ARTICLES or name.isdecimal()) and not _ABOUT_A_LABEL.match(rest):
        if rest.lstrip().startswith("$"):  # a 20-dollar note
            return False
        if word:
            return not (word[1][0].islower() or word[1][0].isdecimal())
    if _FREE_TEXT.match(rest):
        return True
    symbol = rest.lstrip()[0]  # a picture or a check mark; a degree sign is of that kind too
    return rest[0].isspace() and unicodedata.category(symbol) == "So" and not name.isdecimal()


def _names_another(closed: str, rest: str, label: str, known: Mapping[str, str], names: str) -> bool:
    """Whether the next thing behind a label is another label, and not the beginning of the option's text."""
    following = re.compile(rf"([\W_]*)(?:(?:{'|'.join(_BETWEEN)})[\W_]+)?({names})(?!['’.-]?[^\W_])")
    place = 0
    while (second := following.match(rest, place)) and known[second[2]] == label and second.end() > place:
        place = second.end()
    if second is None:
        return False
    after = rest[second.end() :]
    word = _WORD.match(after)
    article = second[2].upper() in _ARTICLES
    if any(mark in closed + second[1] for mark in ".:)]}"):
        # What goes on is text, and so is an article or number that the token limit cut off, or that is all.
        ends = not after.strip()
        return not (article or second[2].isdecimal()) if ends else not after[0].isspace()
    return not (article and word and word[1].lower() not in _BETWEEN and word[1] not in known)
