"""Which token each answer begins with after a prompt, and how lm-eval is asked for its probability."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diversity_eval.errors import DiversityEvalError

__all__ = ["FirstTokens", "first_tokens", "surface_forms"]


@dataclass(frozen=True)
class FirstTokens:
    """The first tokens of the answers to one prompt, and lm-eval's requests for them.

    Attributes:
        right: ids by right answer.
        wrong: ids by wrong answer.
        requests: by id, the (context, continuation) whose log-likelihood lm-eval computes.
        left_out: forms of answers that the tokenizer joins with the prompt's end, so that they have no first
            token.
        gap: the same for the white space at the prompt's end, which lm-eval counts to the continuation: its
            log-likelihood has to be taken off again. None for a prompt that ends without any.
    """

    right: Mapping[str, frozenset[int]]
    wrong: Mapping[str, frozenset[int]]
    requests: Mapping[int, tuple[str, str]]
    left_out: tuple[str, ...]
    gap: tuple[str, str] | None


def surface_forms(words: Iterable[str]) -> list[str]:
    """How an answer may be written: each word as it is, with a capital, and both with a space in front."""
    forms = [form for word in words for form in (word, word[:1].upper() + word[1:])]
    return list(dict.fromkeys(space + form for space in ("", " ") for form in forms))


def first_tokens(
    lm: Any, prompt: str, right: Sequence[Sequence[str]], wrong: Sequence[Sequence[str]]
) -> FirstTokens:
    """Find the first tokens by the model's own tokenizer, in their context.

    lm-eval takes texts, not tokens, and splits context and continuation itself; so for each token a text is
    looked for that comes out as just this token behind just this prompt.

    Args:
        lm: an lm-eval model with a tokenizer of its own (`tok_encode`).
        prompt: as it is sent.
        right: the right answers, each with the words for it.
        wrong: likewise.

    Raises:
        DiversityEvalError: a tokenizer that joins the prompt's end with the beginning of every form of an
            answer, or that no text makes give a token alone.
    """
    base = _encode(lm, prompt)
    bare = prompt.rstrip()
    if not bare:
        raise DiversityEvalError("the prompt is empty")
    if base[: len(_encode(lm, bare))] != _encode(lm, bare):
        raise DiversityEvalError(
            "the tokenizer joins the white space at the prompt's end with what stands before it, and lm-eval "
            "would give probabilities of other tokens; use a prompt that ends without white space"
        )
    requests: dict[int, tuple[str, str]] = {}
    left_out: list[str] = []

    def ids_of(words: Sequence[str]) -> frozenset[int]:
        found = set()
        for form in surface_forms(words):
            token = _first(lm, prompt, base, form)
            if token is None:
                left_out.append(form)
                continue
            if token not in requests:
                requests[token] = (prompt, _text_of(lm, prompt, base, form, token))
            found.add(token)
        if not found:
            raise DiversityEvalError(
                f"the tokenizer joins the prompt's end with {words[0]!r}, so there is no first token of that "
                "answer"
            )
        return frozenset(found)

    return FirstTokens(
        right={words[0]: ids_of(words) for words in right},
        wrong={words[0]: ids_of(words) for words in wrong},
        requests=requests,
        left_out=tuple(left_out),
        gap=(bare, prompt[len(bare) :]) if bare != prompt else None,
    )


def _encode(lm: Any, text: str) -> list[int]:
    return [int(token) for token in lm.tok_encode(text)]


def _first(lm: Any, prompt: str, base: list[int], form: str) -> int | None:
    whole = _encode(lm, prompt + form)
    return whole[len(base)] if whole[: len(base)] == base and len(whole) > len(base) else None


def _text_of(lm: Any, prompt: str, base: list[int], form: str, token: int) -> str:
    """The shortest beginning of `form` that is just this token."""
    for end in range(1, len(form) + 1):
        if _encode(lm, prompt + form[:end]) == [*base, token]:
            return form[:end]
    raise DiversityEvalError(f"no beginning of {form!r} is the first token of that answer by itself")
