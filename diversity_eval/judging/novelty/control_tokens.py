"""Texts for a server that renders the chat itself, and takes what looks like a control token for one."""

import re

__all__ = ["broken_up"]

_ANGLE = re.compile(
    r"<(?="
    r"[|\uff5c][^<>\s\u2039]{1,64}>"  # <|eot_id|>, <|turn>, and with DeepSeek's wide bars
    r"|[^<>\s|\uff5c\u2039]{1,64}[|\uff5c]>"  # <turn|>
    r"|/?(?:s|bos|eos|pad|unk|mask|cls|sep|eod|eot|eom)>"
    r"|(?:start|end)_of_[a-z]{1,20}>|(?:begin|end)_?of_?(?:text|sentence|turn|utterance)>"
    r"|(?:unused|reserved|extra_id_|unused_token_|reserved_token_|reserved_special_token_)_?[0-9]{1,6}>"
    r"|im_(?:start|end|sep)>|endoftext>|/?(?:SYS|INST|SPECIAL_[0-9]{1,4})>"
    r")"
)
_SQUARE = re.compile(
    r"\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|CLS|SEP|"
    r"MASK|PAD|UNK|BOS|EOS|gMASK|sMASK|unused[0-9]{1,6}|UNUSED_TOKEN_[0-9]{1,6})\])"
)


def broken_up(text: str) -> str:
    """`text` without known control tokens: the opening bracket of each is replaced by one that looks alike.

    A server that is sent messages finds control tokens in the rendered chat, wherever they stand: a response
    that spells `<end_of_turn>` could end its turn and praise itself in the user's name. `<` becomes a single
    guillemet (U+2039), `[` a white square bracket (U+27E6).

    Nothing else changes, unlike in what judges are shown: a reward is to be that of the response itself, so
    words, white space, formulas, placeholders (`<your name>`) and mark-up stay, but for the tag `<s>`, which
    is Llama's first token. Tokenizers look for control tokens before they normalise anything, so spellings in
    wide letters or with invisible characters are none. Applying it twice changes nothing more.
    """
    return _SQUARE.sub("\u27e6", _ANGLE.sub("\u2039", text))
