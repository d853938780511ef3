"""From a rendered prompt to the token ids that a judge sees, for the backends that hold a tokenizer."""

from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import REPLY_START, Verdict, failed_verdict

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
        label_ids: the token that tells the ratings apart, lowest first (`rate` mode).
    """

    def __init__(self, tokenizer: Any, config: JudgeConfig) -> None:
        """Render the template around a place-holder, and find the tokens of the ratings.

        Raises DiversityEvalError if the template does not show the prompt once, or if one token does not tell
        the ratings apart in `rate` mode.
        """
        self._tokenizer = tokenizer
        self._config = config
        self.has_chat_template = bool(getattr(tokenizer, "chat_template", None))
        before, after = self._around(config)
        self._before = self._encode_template(before)
        self._after = self._encode_template(after)
        self.label_ids: list[int] = []
        if config.mode == "rate":
            labels = [str(label) for label in range(config.lowest, config.highest + 1)]
            answers = [self._encode_template(f"{after}{REPLY_START} {label}") for label in labels]
            self._after = common_beginning(answers)
            rest = [answer[len(self._after) :] for answer in answers]
            self.label_ids = [ids[0] for ids in rest if ids]
            if len(set(self.label_ids)) < len(labels):
                raise DiversityEvalError(
                    f"judge {config.name}: with this model's tokenizer one token does not tell the ratings "
                    f"{labels[0]} to {labels[-1]} apart; use mode: generate, or a scale of single digits"
                )

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """The token ids of each prompt, up to where the judge's reply (in `rate` mode: the number) begins."""
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

    def _around(self, config: JudgeConfig) -> tuple[str, str]:
        if not self.has_chat_template:
            # As training text begins; a second one is not added, since special tokens are off below.
            return getattr(self._tokenizer, "bos_token", None) or "", "\n"
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
