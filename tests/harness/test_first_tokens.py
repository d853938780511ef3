"""Tokens are found by the tokenizer itself, and what lm-eval is asked for comes out as just those."""

from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.first_tokens import FirstTokens, first_tokens, surface_forms
from tests.training.data.tokenizers import KINDS, build

RIGHT = [["map"], ["boat", "small"], ["1"], ["2"]]
WRONG = [["door"], ["7"]]


class Model:
    """The part of an lm-eval model that is used here, over a real tokenizer; the split is lm-eval's own."""

    backend = "causal"

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def tok_encode(self, string: str, add_special_tokens: bool | None = None) -> list[int]:
        return list(self.tokenizer(string).input_ids)

    def split(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        from lm_eval.api.model import TemplateLM

        found: tuple[list[int], list[int]] = TemplateLM._encode_pair(self, context, continuation)
        return found


def test_forms_are_as_is_with_a_capital_and_with_a_space() -> None:
    assert surface_forms(["heads"]) == ["heads", "Heads", " heads", " Heads"]
    assert surface_forms(["5"]) == ["5", " 5"]
    assert surface_forms(["Monday"]) == ["Monday", " Monday"]
    assert surface_forms(["autumn", "fall"])[:4] == ["autumn", "Autumn", "fall", "Fall"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", ["The boat came back:", 'Reply: "', "An answer:\n", "Go on: \n\n"])
def test_every_request_is_one_token_behind_the_whole_prompt(kind: str, prompt: str) -> None:
    model = Model(build(kind))
    if kind.startswith("metaspace") and prompt.endswith("\n\n"):  # whose merges reach over line ends
        with pytest.raises(DiversityEvalError, match="joins the white space at the prompt's end"):
            first_tokens(model, prompt, RIGHT, WRONG)
        return
    found = first_tokens(model, prompt, RIGHT, WRONG)
    assert bool(found.left_out) == (kind.startswith("metaspace") and prompt.endswith(":"))
    assert all(form.startswith(" ") for form in found.left_out)
    whole = model.tok_encode(prompt)
    for token, (context, continuation) in found.requests.items():
        before, asked = model.split(context, continuation)
        assert [*before, *asked] == [*whole, token]
        gap = model.split(*found.gap)[1] if found.gap is not None else []
        assert asked == [*gap, token]
    for words, ids in zip([*RIGHT, *WRONG], [*found.right.values(), *found.wrong.values()], strict=True):
        forms = [form for form in surface_forms(words) if form not in found.left_out]
        expected = {model.tok_encode(prompt + form)[len(whole)] for form in forms}
        assert ids == expected
    assert (found.gap is not None) == (prompt != prompt.rstrip())


def test_answers_are_named_by_their_first_word() -> None:
    found = first_tokens(Model(build("byte level")), "The boat:", RIGHT, WRONG)
    assert list(found.right) == ["map", "boat", "1", "2"]
    assert list(found.wrong) == ["door", "7"]
    assert isinstance(found, FirstTokens)


class Joining:
    """A tokenizer with a fault: a colon and what stands behind it are one token."""

    def tok_encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for letter in text:
            if ids and ids[-1] == ord(":"):
                ids[-1] = 10_000 + ord(letter)
            else:
                ids.append(ord(letter))
        return ids


def test_a_tokenizer_that_joins_prompt_and_answer_is_refused() -> None:
    with pytest.raises(DiversityEvalError, match="joins the prompt's end with 'map'"):
        first_tokens(Joining(), "Say:", [["map"]], [])


class JoiningWhiteSpace:
    """A tokenizer with a fault: white space changes the token before it."""

    def tok_encode(self, text: str) -> list[int]:
        bare = text.rstrip()
        ids = [ord(letter) for letter in text]
        if bare != text and len(bare) > 0:
            ids[len(bare) - 1] += 10_000
        return ids


def test_white_space_that_changes_what_stands_before_it_is_refused() -> None:
    with pytest.raises(DiversityEvalError, match="joins the white space at the prompt's end"):
        first_tokens(JoiningWhiteSpace(), "Say: ", [["map"]], [])


class Pieces:
    """A tokenizer with a fault: no shorter text gives the first token of a word."""

    def tok_encode(self, text: str) -> list[int]:
        return [1, 2, 3] if text.endswith("map") else [1] if text == "Say:" else [1, 9]


def test_a_token_that_no_text_gives_is_an_error() -> None:
    with pytest.raises(DiversityEvalError, match="no beginning of 'map' is the first token"):
        first_tokens(Pieces(), "Say:", [["map"]], [])


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(DiversityEvalError, match="the prompt is empty"):
        first_tokens(Model(build("byte level")), " \n", RIGHT, WRONG)
