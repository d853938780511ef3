"""From a rendered prompt to the token ids that a judge sees, for the backends that hold a tokenizer."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict, failed_verdict

__all__ = ["PromptEncoder", "common_beginning"]

# Stands for the prompt while the chat template is rendered; templates strip white space, so it has none.
_PLACE = "\u2e28prompt\u2e29"


def common_beginning(rows: Sequence[list[int]]) -> list[int]:
    """The longest list that all rows begin with; empty for no rows."""
    if not rows:
        return []
    # What the first and last in order share, all between them share too.
    first, last = min(rows), max(rows)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


class PromptEncoder:
    """Encodes prompts with the judge's chat template; a tokenizer without one gets the bare text.

    The prompt's text is encoded apart from the template's, with special tokens switched off: whatever a
    response holds, no part of it becomes a control token.

    Attributes:
        label_ids: for each rating, lowest first, the tokens that tell it from the others: the first of its
            usual spelling that differs, and those that are another spelling by themselves (`rate` mode).
    """

    def __init__(self, tokenizer: Any, config: JudgeConfig) -> None:
        """Render the template around a place-holder, and find the tokens of the answers.

        Raises DiversityEvalError if the template does not show the prompt once, or if one token does not tell
        the answers apart in `rate` mode.
        """
        self._tokenizer = tokenizer
        self._config = config
        self.has_chat_template = bool(getattr(tokenizer, "chat_template", None))
        before, after = self._around(config)
        self._before = self._encode_template(before)
        self._after = self._encode_template(after)
        self.label_ids: list[tuple[int, ...]] = []
        if config.mode == "rate":
            self.label_ids = self._find_labels(after)

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """The token ids of each prompt, up to where the judge's reply (in `rate` mode: the rating) begins."""
        bodies = self._tokenizer(
            list(prompts), add_special_tokens=False, split_special_tokens=True, verbose=False
        ).input_ids
        return [[*self._before, *body, *self._after] for body in bodies]

    def encode_fitting(
        self, prompts: Sequence[str], longest: int, on_verdict: Callable[[int, Verdict], None]
    ) -> dict[int, list[int]]:
        """The token ids of the prompts, by their places, that with the reply are at most `longest` tokens.

        The others get their verdict: not rated, for the reason.
        """
        new_tokens = 1 if self._config.mode == "rate" else self._config.max_tokens
        fitting = {}
        for index, ids in enumerate(self.encode(prompts)):
            if len(ids) + new_tokens <= longest:
                fitting[index] = ids
            else:
                reason = f"prompt and reply do not fit into the {longest} tokens that the judge takes"
                on_verdict(index, failed_verdict(reason))
        return fitting

    def _find_labels(self, after: str) -> list[tuple[int, ...]]:
        """The tokens of each answer; what all answers begin with goes to the end of every prompt."""
        reply = self._config.reply
        # Some tokenizers put a space in front of whatever a text begins with, so words need something before.
        lead = after or ("" if reply.start else "\n")
        usual = [self._encode_template(lead + spellings[0]) for spellings in reply.answers]
        shared = common_beginning(usual)
        first = [ids[len(shared)] for ids in usual if len(ids) > len(shared)]
        # The fixed line may be begun for the judge; a word is to be its own from the first letter.
        own = bool(reply.start) or shared == self._encode_template(lead)[: len(shared)]
        unknown = getattr(self._tokenizer, "unk_token_id", None)
        if not own or len(set(first)) < len(usual) or unknown in first:
            raise DiversityEvalError(
                f"judge {self._config.name}: with this model's tokenizer one token does not tell "
                f"{reply.names} apart; use mode: generate, or {reply.advice}"
            )
        self._after = shared if after or reply.start else []
        found = [
            {token, *self._single_tokens(lead, spellings[1:], shared)} - {unknown}
            for token, spellings in zip(first, reply.answers, strict=True)
        ]
        times = Counter(token for tokens in found for token in tokens)
        return [
            (token, *sorted(other for other in tokens - {token} if times[other] == 1))
            for token, tokens in zip(first, found, strict=True)
        ]

    def _single_tokens(self, lead: str, answers: Sequence[str], shared: list[int]) -> list[int]:
        """The tokens of those answers that are no more than one token after what is shared."""
        encoded = [self._encode_template(lead + answer) for answer in answers]
        return [ids[-1] for ids in encoded if ids[:-1] == shared]

    def _around(self, config: JudgeConfig) -> tuple[str, str]:
        if not self.has_chat_template:
            # As training text begins; a second one is not added, since special tokens are off below.
            return getattr(self._tokenizer, "bos_token", None) or "", config.reply.lead
        try:
            text = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": _PLACE}], tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template is somebody's program and can raise anything
            raise DiversityEvalError(
                f"judge {config.name}: the model's chat template fails on a user message: "
                f"{' '.join(str(error).split())[:200]}"
            ) from None
        parts = str(text).split(_PLACE)
        if len(parts) != 2:
            raise DiversityEvalError(
                f"judge {config.name}: the model's chat template shows a message {len(parts) - 1} times, "
                "not once"
            )
        return parts[0], parts[1]

    def _encode_template(self, text: str) -> list[int]:
        return [int(i) for i in self._tokenizer(text, add_special_tokens=False).input_ids] if text else []
