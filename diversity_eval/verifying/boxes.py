r"""Where a response's final answer stands: in its last box, `\boxed{...}` or `\fbox{...}`."""

import re
import unicodedata

__all__ = ["last_box", "normalise_answer"]

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
_SPACE = re.compile(r"\s*")
# A backslash and what it escapes are one token, so that \{ and \} are no braces.
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_NUMBER = re.compile(r"[+\-−]?(?:\d+(?:,\d{3})*(?!\d)|\d+)(?:\.\d+)?|[+\-−]?\.\d+")
_COMMAND = re.compile(r"\\[A-Za-z]+\d*")
_LETTER = re.compile(r"[^\W\d_](?=\s*(?:\$|\\[)\]]|[.,;]|$))")
# Commands that close or open something of the text around the box, and so can't be what is in it.
_NO_ANSWERS = ("\\end", "\\begin", "\\left", "\\right", "\\boxed", "\\fbox", "\\quad", "\\qquad")
_INVISIBLE_OPERATORS = "\u2061\u2062\u2063\u2064"  # function application, times, comma, plus
# Without those that would be LaTeX's own.
_FULL_WIDTH = {
    chr(ord(sign) + 0xFEE0): sign for sign in map(chr, range(0x21, 0x7F)) if sign not in "\\{}$%&#~"
}
_DELIMITERS = (("$$", "$$", "$"), ("$", "$", "$"), ("\\(", "\\)", "\\("), ("\\[", "\\]", "\\["))


def last_box(text: str) -> str | None:
    r"""The content of the box that begins last, stripped of outer white space; None if there is none.

    Braces are matched, where `\{` and `\}` are no braces. Of nested boxes the inner one begins last:
    `\boxed{x = \boxed{5}}` gives `5`. None too if that box is empty, or if its closing brace is missing:
    a response that was cut off has no answer, even if an earlier box is complete.

    A box without braces holds what is next to it, after white space: a number (`\boxed 12`, `\boxed-0.5`), a
    command with the digits or braces next to it (`\boxed\frac{1}{2}`, `\boxed\frac12`, `\boxed\pi`), or a
    letter that stands alone before punctuation, the end of the formula or the text (`$\boxed x$`). Where it
    is something else, as in "put it into \boxed form", the word is no box, and an earlier box counts.

    The time is linear in the length of the text, whatever is in it.
    """
    for match in reversed(list(_BOX.finditer(text))):
        begin = _end(_SPACE, text, match.end())
        if text.startswith("{", begin):
            end = _closing_brace(text, begin)
            return None if end is None else text[begin + 1 : end].strip() or None
        found = _NUMBER.match(text, begin) or _LETTER.match(text, begin)
        if found:
            return found.group()
        command = _COMMAND.match(text, begin)
        if command and not command.group().startswith(_NO_ANSWERS):
            end = command.end()
            while text.startswith("{", end):
                closing = _closing_brace(text, end)
                if closing is None:
                    return None
                end = closing + 1
            return text[begin:end]
    return None


def _end(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.match(text, begin)
    return begin if found is None else found.end()


def _closing_brace(text: str, begin: int) -> int | None:
    depth = 0
    for match in _BRACE.finditer(text, begin):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def normalise_answer(text: str) -> str:
    r"""The answer without what says nothing about its value.

    White space and one pair of each of `$...$`, `$$...$$`, `\(...\)` and `\[...\]` around the whole are
    taken away, line breaks become spaces, characters that can't be seen (category Cf) go, and the decimal
    digits of all scripts (Unicode's category Nd) become those of ASCII, as do full-width letters and signs.
    Applied twice it does no more than applied once.
    """
    text = "".join(_plain(character) for character in text)
    text = text.strip()
    going = True
    while going:
        going = False
        for opening, closing, mark in _DELIMITERS:
            inner = text[len(opening) : len(text) - len(closing)]
            if (
                len(text) >= len(opening) + len(closing)
                and text.startswith(opening)
                and text.endswith(closing)
                and mark not in inner
                and not inner.endswith("\\")
            ):
                text, going = inner.strip(), True
                break
    return text


def _plain(character: str) -> str:
    if character in "\r\n\v\f\x85\u2028\u2029":
        return " "
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Cf" and character not in _INVISIBLE_OPERATORS:
        return ""
    return _FULL_WIDTH.get(character, character)
