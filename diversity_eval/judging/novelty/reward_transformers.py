"""The reward model, run by transformers: any dtype, or NF4 through bitsandbytes; CPU or CUDA."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends.loading import load_model
from diversity_eval.judging.backends.running import (
    is_out_of_memory,
    longest_input,
    release_memory,
    running_record,
)
from diversity_eval.judging.novelty.config import RewardConfig
from diversity_eval.judging.novelty.conversation import ConversationEncoder
from diversity_eval.judging.novelty.items import Answer, Reward

__all__ = ["TransformersReward"]

_BATCHES_SORTED = 64  # so many batches are sorted by length together


class TransformersReward:
    """Batches of conversations of about equal length, padded on the right. See `RewardModel`."""

    def __init__(self, config: RewardConfig) -> None:
        """Load the model.

        Raises DiversityEvalError: an extra is missing, it does not load or fit into memory, was not trained
        as a reward model, gives more than one number, or has no chat template.
        """
        self._config = config
        self._model, tokenizer = load_model(config, "classification")
        labels = int(self._model.config.num_labels)
        if labels != 1:
            raise DiversityEvalError(
                f"{config.label}: {config.model} gives {labels} numbers for a response; expected a reward "
                "model, which gives one"
            )
        self._encoder = ConversationEncoder(tokenizer, config.label)
        text_config = self._model.config.get_text_config()
        self._longest = longest_input(self._model, tokenizer, config.max_length)
        self._pad = text_config.pad_token_id
        if self._pad is None:
            # The model looks for the last token that is no padding. Without a token of that name any will do
            # that no conversation ends in.
            ends = self._encoder.last_ids()
            self._pad = next(i for i in range(int(text_config.vocab_size)) if i not in ends)
            text_config.pad_token_id = self._pad
        self._counts = {"responses": 0, "tokens": 0, "padding": 0}

    def rewards(
        self, answers: Sequence[Answer], on_results: Callable[[Sequence[tuple[int, Reward]]], None]
    ) -> None:
        """See `RewardModel.rewards`."""
        size = self._config.batch_size
        for begin in range(0, len(answers), _BATCHES_SORTED * size):
            portion = answers[begin : begin + _BATCHES_SORTED * size]
            encoded: dict[int, list[int]] = {}
            refused: list[tuple[int, Reward]] = []
            for place, answer in enumerate(portion, begin):
                ids = self._encoder.encode(answer)
                if self._longest is None or len(ids) <= self._longest:
                    encoded[place] = ids
                else:
                    reason = f"the conversation has {len(ids)} tokens, and the model takes {self._longest}"
                    refused.append((place, Reward(None, reason)))
            if refused:
                on_results(refused)
            order = sorted(encoded, key=lambda place: -len(encoded[place]))
            for first in range(0, len(order), size):
                places = order[first : first + size]
                found = self._batch([encoded[place] for place in places])
                on_results(list(zip(places, found, strict=True)))

    def record(self) -> dict[str, Any]:
        """Device, dtype, commit, versions, and responses and tokens computed so far."""
        return {**running_record(self._model), **self._counts}

    def close(self) -> None:
        """Give the model's memory back."""
        del self._model
        release_memory()

    def _batch(self, rows: list[list[int]]) -> list[Reward]:
        """A batch; where memory does not hold it, its halves."""
        import torch

        try:
            found = self._forward(rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(rows) == 1:
                return [Reward(None, "the device has too little memory for this response")]
        else:
            wrong = Reward(None, "the reward is not a finite number; a wider `dtype` may help")
            return [Reward(value) if math.isfinite(value) else wrong for value in found]
        torch.cuda.empty_cache()
        half = len(rows) // 2
        return [*self._batch(rows[:half]), *self._batch(rows[half:])]

    def _forward(self, rows: list[list[int]]) -> list[float]:
        import torch

        length = max(map(len, rows))
        device = self._model.device
        ids = [row + [self._pad] * (length - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (length - len(row)) for row in rows]
        with torch.inference_mode():
            logits = self._model(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
                use_cache=False,
            ).logits
        self._counts["responses"] += len(rows)
        self._counts["tokens"] += sum(map(len, rows))
        self._counts["padding"] += sum(length - len(row) for row in rows)
        rewards: list[float] = logits[:, 0].float().tolist()
        return rewards
