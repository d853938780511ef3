"""Text that a judge is shown but must not obey.

Responses are written by models, prompts by anybody. Before they are put into a rubric, what a judge (or
the reader of its reply) could take for something else is replaced by marks that look nearly the same:

- the words of the reply template, `total` and `rating`, whatever emphasis or space stands between them, are
  joined by a middle dot. No part of the text, repeated by the judge, can then be read as a verdict;
- an angle bracket that opens something like a tag (`<|eot_id|>`, `</s>`, `< /response >`) becomes a single
  guillemet, and square brackets of control words (`[INST]`) become round. Neither the marked block nor the
  judge's turn can be ended from within;
- control characters and halves of surrogate pairs become U+FFFD: a request cannot carry them.

Some tokenizers fold full-width and other compatibility letters into plain ones, and drop marks and invisible
characters. A judge may then repeat the plain letters, so all this is looked for in the folded text.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

__all__ = ["neutralise", "without_surrogates"]

# More than the parser takes between the two words, so that nothing it would take is left.
_TEMPLATE_WORDS = re.compile(r"total([\s*_`~]*)rating", re.IGNORECASE)
# "a < b", "<3", "<=", "<-" and "1 < 2 > 0" stay. The tags that the shipped rubrics use go in every spelling.
_TAG = re.compile(
    r"<(?=[^\s0-9=-]|[^\s<>\u2039]{1,64}>|\s+(?:/\s*)?[a-z_|][^\s<>\u2039]{0,63}\s*>"
    r"|\s+(?:/\s*)?(?:response|continuation|instruction|opening)(?![a-z0-9]))",
    re.IGNORECASE,
)
_CONTROL_WORD = re.compile(
    r"\[/?(?:INST|SYS|SYSTEM|SYSTEM_PROMPT|USER|ASSISTANT|AVAILABLE_TOOLS|TOOL_[A-Z]+|ARGS|CALL_ID|THINK|"
    r"MODEL_SETTINGS|IMG|IMG_[A-Z]+|AUDIO|BEGIN_AUDIO|TRANSCRIBE|PREFIX|SUFFIX|MIDDLE|SEP|CLS|MASK|PAD|UNK|BOS|EOS|"
    r"EOT|[gs]MASK|unused[0-9]+|control_[0-9]+)\]"
    r"|\[\|[a-z_]+\|\]"
    r"|\][!a-z]{0,2}~[!a-z]{0,2}[\[\]]|\[[a-z]~\[",
    re.IGNORECASE,
)
_ROUND = {"[": "(", "]": ")"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Neither marks nor formats by their category, but shown as nothing, or dropped with the control characters.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\ufffd")


def neutralise(text: str) -> str:
    """`text` with everything replaced that could pass for a verdict, a tag or a turn; see this module.

    Ordinary prose, formulas and most code come out as they went in. The result never holds a verdict that
    `parse_rating` would take, and neither does any part of it. Applying it twice changes nothing more.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSENDABLE.sub("\ufffd", text)
    text = _replaced(text, _template_words)
    return _replaced(text, _brackets)


def without_surrogates(text: str) -> str:
    """`text` with U+FFFD in the place of halves of surrogate pairs, which no tokenizer takes."""
    return _SURROGATE.sub("\ufffd", text)


def _template_words(folded: str) -> list[tuple[int, int, str]]:
    return [(match.start(1), match.end(1), "\u00b7") for match in _TEMPLATE_WORDS.finditer(folded)]


def _brackets(folded: str) -> list[tuple[int, int, str]]:
    changes = [(match.start(), match.end(), "\u2039") for match in _TAG.finditer(folded)]
    for match in _CONTROL_WORD.finditer(folded):
        for place in (match.start(), match.end() - 1):
            changes.append((place, place + 1, _ROUND[folded[place]]))
    return sorted(changes)


def _replaced(text: str, find: Callable[[str], list[tuple[int, int, str]]]) -> str:
    """`text` with the stretches replaced that `find` gives for its folded form, in order."""
    folded, begins, ends = _folded(text)
    pieces = []
    done = 0
    for begin, end, new in find(folded):
        # Invisible characters around an empty stretch go with it.
        first, last = (begins[begin], ends[end - 1]) if begin < end else (ends[begin - 1], begins[begin])
        pieces += [text[done:first], new]
        done = last
    return "".join(pieces) + text[done:]


def _folded(text: str) -> tuple[str, Sequence[int], Sequence[int]]:
    """The text as a thorough tokenizer folds it; for each of its characters, begin and end in `text`."""
    if text.isascii():
        return text, range(len(text)), range(1, len(text) + 1)
    letters: list[str] = []
    begins: list[int] = []
    for place, character in enumerate(text):
        plain = character if character.isascii() else _plain(character)
        letters.append(plain)
        begins += [place] * len(plain)
    return "".join(letters), begins, [begin + 1 for begin in begins]


@lru_cache(maxsize=1 << 14)
def _plain(character: str) -> str:
    """A character without compatibility forms, case and marks; nothing if it is invisible."""
    shown = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", character)
        if unicodedata.category(letter) not in ("Mn", "Me", "Cf") and letter not in _INVISIBLE
    )
    return shown.casefold()  # last: it turns one mark (U+0345) into a letter
