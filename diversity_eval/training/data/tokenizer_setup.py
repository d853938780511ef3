"""Making a tokenizer the one that a trained checkpoint carries."""

from dataclasses import dataclass
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.prompting.delimiters import (
    DELIMITERS,
    REASONING_DELIMITERS,
    RESPONSE_CLOSE,
    chat_template,
    is_own_chat_template,
    render_instruct,
)
from diversity_eval.training.settings import TrainSettings

__all__ = ["PreparedTokenizer", "prepare_tokenizer"]

# Padding tokens of widespread tokenizers, in the vocabulary but often not named as such.
_PAD_TEXTS = ("<pad>", "<|pad|>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>")


@dataclass(frozen=True)
class PreparedTokenizer:
    """A tokenizer with this project's chat template, and what was changed to get there.

    `new_tokens` were added now: the model's embeddings must have a row for each. `replaced_template` says
    that there was another chat template, `chosen_pad` which token was made the padding token (None: there was
    one). `prefix` are ids that the tokenizer puts before every text although it names no
    beginning-of-sequence token (mostly none). No message may contain one of `delimiters` or of
    `special_texts`, those of control tokens.
    """

    tokenizer: Any
    new_tokens: tuple[str, ...]
    replaced_template: bool
    chosen_pad: str | None
    prefix: tuple[int, ...]
    delimiters: tuple[str, ...]
    special_texts: tuple[str, ...]


def prepare_tokenizer(tokenizer: Any, settings: TrainSettings) -> PreparedTokenizer:
    """Put the chat template into `tokenizer`, which is changed, and see that it can be trained with.

    A missing padding token is chosen among those in the vocabulary, the end-of-sequence token last: padding
    never counts in the loss. With `special_delimiters` each delimiter becomes one token; it is added as an
    ordinary one, so that decoding keeps it and generation can stop at its text. Doing it twice changes
    nothing more.

    Raises DiversityEvalError for a tokenizer without an end-of-sequence token, or one that does not turn the
    texts of its own tokens, or the template, into what they stand for.
    """
    replaced = bool(tokenizer.chat_template) and not is_own_chat_template(tokenizer.chat_template)
    tokenizer.chat_template = chat_template()
    if not isinstance(tokenizer.eos_token, str) or tokenizer.eos_token_id is None:
        raise DiversityEvalError(
            f"{_name(tokenizer)}: the tokenizer has no end-of-sequence token, so a trained model could never "
            "stop; set eos_token in its tokenizer_config.json"
        )
    chosen = _choose_pad(tokenizer)
    delimiters = DELIMITERS + (REASONING_DELIMITERS if settings.reasoning else ())
    new = _add_delimiters(tokenizer, delimiters) if settings.special_delimiters else ()
    _check(tokenizer)
    special = {str(token) for token in tokenizer.all_special_tokens}
    ours = {*DELIMITERS, *REASONING_DELIMITERS}
    special |= {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return PreparedTokenizer(
        tokenizer=tokenizer,
        new_tokens=new,
        replaced_template=replaced,
        chosen_pad=chosen,
        prefix=_prefix(tokenizer),
        delimiters=DELIMITERS,
        # A single character (some use "!" for padding) is ordinary text.
        special_texts=tuple(sorted(text for text in special - ours if len(text.strip()) > 1)),
    )


def _name(tokenizer: Any) -> str:
    return str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)


def _choose_pad(tokenizer: Any) -> str | None:
    if tokenizer.pad_token is not None:
        return None
    vocabulary = tokenizer.get_vocab()
    named = [text for text in _PAD_TEXTS if text in vocabulary]
    unknown = [tokenizer.unk_token] if tokenizer.unk_token is not None else []
    for text in (*named, *unknown):
        if text not in (tokenizer.eos_token, tokenizer.bos_token):
            tokenizer.pad_token = text
            return str(text)
    tokenizer.pad_token = tokenizer.eos_token
    return str(tokenizer.eos_token)


def _add_delimiters(tokenizer: Any, delimiters: tuple[str, ...]) -> tuple[str, ...]:
    from transformers import AddedToken

    there = tokenizer.get_added_vocab()
    new = [text for text in delimiters if text not in there]
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in new])
    return tuple(new)


def _check(tokenizer: Any) -> None:
    begin = tokenizer.bos_token or ""
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a", "input": "b"}], add_generation_prompt=True, tokenize=False
    )
    if rendered != begin + render_instruct("a", "b"):
        raise DiversityEvalError(
            f"{_name(tokenizer)}: the tokenizer does not render the chat template it is given; use one of "
            "transformers' own tokenizer classes"
        )
    whole = rendered + "c\n" + RESPONSE_CLOSE + tokenizer.eos_token
    ids = tokenizer(whole, add_special_tokens=False).input_ids
    for text, token, place in (
        (begin, tokenizer.bos_token_id, 0),
        (tokenizer.eos_token, tokenizer.eos_token_id, -1),
    ):
        if text and (ids[place] != token or token in ids[1:-1]):
            raise DiversityEvalError(
                f"{_name(tokenizer)}: the text {text!r} does not become its token {token} alone (found "
                f"{ids[place]}); mend the tokenizer's special tokens"
            )


def _prefix(tokenizer: Any) -> tuple[int, ...]:
    """What lm-eval would have before a prompt that begins with no beginning-of-sequence text."""
    if tokenizer.bos_token:
        return ()
    bare = tokenizer("a", add_special_tokens=False).input_ids
    full = tokenizer("a").input_ids
    if full[len(full) - len(bare) :] != bare:
        raise DiversityEvalError(
            f"{_name(tokenizer)}: the tokenizer adds tokens behind a prompt, so a model could not continue "
            "it; set add_eos_token to false in its tokenizer_config.json"
        )
    return tuple(full[: len(full) - len(bare)])
