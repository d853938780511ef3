"""From conversations to token ids with labels."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from diversity_eval.prompting.delimiters import RESPONSE_CLOSE
from diversity_eval.training.data.conversation import Conversation, UnusableRowError
from diversity_eval.training.data.tokenizer_setup import PreparedTokenizer
from diversity_eval.training.settings import Overlong

__all__ = ["IGNORED", "TOO_LONG", "Encoder", "Encoding"]

IGNORED = -100
"""The label of a token that does not count in the loss."""


TOO_LONG = "response too long"
"""Why a row is left out under `overlong: drop`."""


class Encoding(NamedTuple):
    """What became of a conversation: ids and labels and what is worth noting, or why it is left out."""

    input_ids: list[int]
    labels: list[int]
    noted: tuple[str, ...] = ()
    left_out: str = ""


class Encoder:
    """Renders with the chat template, tokenises, and marks the assistant's turns.

    What precedes a response is tokenised exactly as it will be when the model is prompted with it. Of a
    response its text, the closing delimiter and the end-of-sequence token count.
    """

    def __init__(self, prepared: PreparedTokenizer, max_length: int, overlong: Overlong) -> None:
        self._prepared = prepared
        self._tokenizer = prepared.tokenizer
        self._max_length = max_length
        self._overlong = overlong
        unknown = prepared.tokenizer.unk_token_id
        self._unknown = None if unknown == prepared.tokenizer.eos_token_id else unknown
        self._end = f"\n{RESPONSE_CLOSE}{prepared.tokenizer.eos_token}"
        self._delimiter = _any_of(prepared.delimiters)
        self._special = _any_of(prepared.special_texts)

    def check(self, conversation: Conversation) -> None:
        """Raises UnusableRowError for texts that would break the format or that no tokenizer takes."""
        for turn in conversation.messages:
            for text in (turn.content, turn.input):
                if self._delimiter.search(text):
                    raise UnusableRowError("contains a delimiter")
                if self._special.search(text):
                    raise UnusableRowError("contains a special token's text")
                if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                    raise UnusableRowError("contains half a surrogate pair")

    def encode(self, conversations: Sequence[Conversation]) -> list[Encoding]:
        """The conversations as ids, in order. They must have passed `check`."""
        texts: list[list[str]] = [[] for _ in conversations]
        stages: list[list[list[int]]] = [[] for _ in conversations]
        open_ones = list(range(len(conversations)))
        # Turn by turn, so that turns which cannot fit are never tokenised.
        turn = 0
        while open_ones:
            new = self._stages([(conversations[i], conversations[i].responses[turn]) for i in open_ones])
            ids = self._ids([text for pair in new for text in pair])
            for place, i in enumerate(open_ones):
                texts[i] += new[place]
                stages[i] += ids[2 * place : 2 * place + 2]
            turn += 1
            open_ones = [
                i
                for i in open_ones
                if turn < len(conversations[i].responses) and len(stages[i][-1]) < self._max_length
            ]
        return [
            self._encoding(texts[i], stages[i], whole=len(texts[i]) == 2 * len(conversation.responses))
            for i, conversation in enumerate(conversations)
        ]

    def _stages(self, wanted: Sequence[tuple[Conversation, int]]) -> list[list[str]]:
        """For a place in each conversation, its text up to the response there, and to that response's end."""
        turns = [
            [turn.for_template() for turn in conversation.messages[:place]] for conversation, place in wanted
        ]
        prompts = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return [
            [prompt, prompt + conversation.messages[place].content + self._end]
            for prompt, (conversation, place) in zip(prompts, wanted, strict=True)
        ]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        encoded: list[list[int]] = self._tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        ).input_ids
        prefix = list(self._prepared.prefix)
        return [prefix + ids for ids in encoded] if prefix else encoded

    def _encoding(self, texts: list[str], stages: list[list[int]], *, whole: bool) -> Encoding:
        """One conversation; `texts`, and `stages` as ids, go up to each response, and then to its end.

        `whole` says that they reach the end of the conversation.
        """
        if len(stages[0]) >= self._max_length:
            return Encoding([], [], left_out="prompt too long")
        noted: list[str] = []
        ids = stages[-1]
        bounds = [len(stage) for stage in stages]
        if any(ids[: len(stage)] != stage for stage in stages[:-1]):
            noted.append("boundary kept apart")
            ids, bounds = self._apart(texts, stages[0])
        labels = [IGNORED] * len(ids)
        responses = list(zip(bounds[::2], bounds[1::2], strict=True))
        for begin, end in responses:
            labels[begin:end] = ids[begin:end]
        length = len(ids)
        if length > self._max_length or not whole:
            if self._overlong == "drop":
                return Encoding([], [], left_out=TOO_LONG)
            noted.append("response cut")
            # Nothing would be learnt from what is behind the last response that is left.
            length = max(min(end, self._max_length) for begin, end in responses if begin < self._max_length)
        ids, labels = ids[:length], labels[:length]
        if self._unknown is not None and self._unknown in labels:
            noted.append("unknown token in a response")
        return Encoding(ids, labels, tuple(noted))

    def _apart(self, texts: list[str], prompt: list[int]) -> tuple[list[int], list[int]]:
        """Ids for which no token reaches across a bound, and the bounds."""
        ids = list(prompt)
        bounds = [len(ids)]
        for before, text in itertools.pairwise(texts):
            # Some tokenizers put a space before a text, but most of those not behind a special token.
            behind = self._tokenizer.eos_token + text[len(before) :]
            ids += self._tokenizer(behind, add_special_tokens=False, verbose=False).input_ids[1:]
            bounds.append(len(ids))
        return ids, bounds


def _any_of(texts: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, texts)) or "(?!)")
