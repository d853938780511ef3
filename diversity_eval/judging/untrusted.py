"""Text that a judge is shown but must not obey.

Responses are written by models, prompts by anybody. Before they are put into a rubric, what a judge (or
the reader of its reply) could take for something else is replaced by marks that look nearly the same:

- the words of the reply template, `total` and `rating`, whatever emphasis or space stands between them, are
  joined by a middle dot. No part of the text, repeated by the judge, can then be read as a verdict;
- an angle bracket that opens something like a tag (`<|eot_id|>`, `</s>`, `</response>`) becomes a single
  guillemet, and square brackets of control words (`[INST]`) become round. Neither the marked block nor the
  judge's turn can be ended from within;
- control characters and halves of surrogate pairs become U+FFFD: a request cannot carry them.
"""

import re

__all__ = ["neutralise"]

# More than the parser takes between the two words, so that nothing it would take is left.
_TEMPLATE_WORDS = re.compile(r"(total)[\s*_`~\x00-\x20\x7f]*(rating)", re.IGNORECASE | re.ASCII)
# `<` and its compatibility forms, which some tokenizers fold into it; "a < b", "<3", "<=" and "<-" stay.
_OPENS_TAG = re.compile("[<\uff1c\ufe64](?=[^\\s0-9=-]|[^\\s<>]{1,64}[>\uff1e\ufe65])")
_CONTROL_WORDS = re.compile(
    r"\[(/?(?:INST|SYS|SYSTEM|SYSTEM_PROMPT|USER|ASSISTANT|AVAILABLE_TOOLS|TOOL_[A-Z]+|ARGS|CALL_ID|THINK|IMG|PREFIX|"
    r"SUFFIX|MIDDLE|SEP|CLS|MASK|PAD|UNK|BOS|EOS|[gs]MASK))\]",
    re.IGNORECASE,
)
_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def neutralise(text: str) -> str:
    """`text` with everything replaced that could pass for a verdict, a tag or a turn; see this module.

    Ordinary prose, formulas and most code come out as they went in. The result never holds a verdict that
    `parse_rating` would take, and neither does any part of it. Applying it twice changes nothing more.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSENDABLE.sub("\ufffd", text)
    text = _TEMPLATE_WORDS.sub("\\1\u00b7\\2", text)
    text = _OPENS_TAG.sub("\u2039", text)
    return _CONTROL_WORDS.sub(r"(\1)", text)
