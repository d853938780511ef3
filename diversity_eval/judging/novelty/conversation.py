"""A prompt and its response as the token ids of a chat, in a model's own template."""

from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty.items import Answer
from diversity_eval.judging.untrusted import without_surrogates

__all__ = ["ConversationEncoder"]

# Stand for the texts while the template is rendered; templates strip white space, so they have none.
_PROMPT, _RESPONSE = "\u2e28prompt\u2e29", "\u2e28response\u2e29"


class ConversationEncoder:
    """Encodes both messages as `apply_chat_template` does, save for special tokens in the texts.

    Where prompt or response spell a special token (`<end_of_turn>`), they are encoded apart from the
    template, with special tokens switched off, so that no response can end its turn or speak for the user.
    """

    def __init__(self, tokenizer: Any, label: str) -> None:
        """Raises DiversityEvalError if there is no chat template, or one that does not show both once."""
        self._tokenizer = tokenizer
        self._label = label
        if not getattr(tokenizer, "chat_template", None):
            raise DiversityEvalError(
                f"{label}: its tokenizer has no chat template, in which a reward model sees prompt and "
                "response; name one that has under `tokenizer`"
            )
        self._pieces = self._around()
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        self._special = [
            text
            for text in {*map(str, tokenizer.all_special_tokens), *(str(token) for token in added)}
            if text.strip()
        ]

    def encode(self, answer: Answer) -> list[int]:
        """The token ids of one conversation."""
        texts = without_surrogates(answer.prompt), without_surrogates(answer.response)
        if any(special in text for text in texts for special in self._special):
            before, between, after = self._pieces
            prompt, response = (self._plain(text.strip()) for text in texts)
            return [*self._template(before), *prompt, *self._template(between), *response,
                    *self._template(after)]  # fmt: skip
        return self._template(self._render(*texts))

    def last_ids(self) -> set[int]:
        """Token ids that a conversation can end in."""
        ends = self._template(self._pieces[2])
        return {*ends[-1:], *self._template(self._render("Hello.", "Hello."))[-1:]}

    def _around(self) -> tuple[str, str, str]:
        text = self._render(_PROMPT, _RESPONSE)
        before, found_prompt, rest = text.partition(_PROMPT)
        between, found_response, after = rest.partition(_RESPONSE)
        if not found_prompt or not found_response or _PROMPT in after or _RESPONSE in after:
            raise DiversityEvalError(
                f"{self._label}: its chat template does not show prompt and response once, in this order"
            )
        return before, between, after

    def _render(self, prompt: str, response: str) -> str:
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        try:
            return str(self._tokenizer.apply_chat_template(messages, tokenize=False))
        except Exception as error:  # a template is somebody's program and can raise anything
            raise DiversityEvalError(
                f"{self._label}: its chat template fails on a user's and an assistant's message: "
                f"{' '.join(str(error).split())[:200]}"
            ) from None

    def _template(self, text: str) -> list[int]:
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids if text else []
        return [int(i) for i in ids]

    def _plain(self, text: str) -> list[int]:
        ids = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        ).input_ids
        special = set(self._tokenizer.all_special_ids)
        return [int(i) for i in ids if i not in special]
