"""The beginning that all prompts of a judge share, computed once and kept as keys and values.

Rows of a batch end together: they are padded on the left, as is usual. Their first columns come from the
cache and are not computed: a row of n tokens gets the cached keys and values of its first n - w tokens, where
w is the number of tokens after the shared beginning of the batch's longest row, and w tokens are computed. A
short row thus computes a little of the shared beginning again, and every row's tokens stand side by side
without a gap. That matters for models with sliding windows, which count columns: with gaps, what a row sees
would depend on the rows beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diversity_eval.judging.backends.encoding import common_beginning

__all__ = ["SharedPrefix", "Step"]

_LEAST_SHARED = 16  # tokens; a shorter beginning isn't worth a pass of its own
_LARGEST_DIFFERENCE = 0.05  # in probability, between with and without the cache; bfloat16 alone gives 0.01


@dataclass
class Step:
    """The state of a batch after a forward pass.

    Attributes:
        logits: (rows, vocabulary), for what comes after each row.
        cache: the model's keys and values.
        mask: (rows, columns so far), 0 where a row is padded.
        tokens: computed in this pass, padding included.
    """

    logits: Any
    cache: Any
    mask: Any
    tokens: int


class SharedPrefix:
    """Forward passes over batches of prompts, without computing their shared beginning again."""

    def __init__(self, model: Any) -> None:
        """`model` is a causal language model of transformers."""
        self._model = model
        self._ids: list[int] = []
        self._layers: list[tuple[Any, Any]] = []
        self._works: bool | None = None if _keeps_plain_cache(model) else False
        self.tokens_computed = 0

    @property
    def state(self) -> str:
        """Whether the cache is used, for the record."""
        if self._works is False:
            return "computed for each prompt: this model's cache cannot be shared"
        return f"computed once: {len(self._ids)} tokens" if self._ids else "none"

    def use(self, rows: Sequence[list[int]]) -> None:
        """Find and compute the beginning that `rows` share; at least their last token stays out of it."""
        shared = common_beginning([row[:-1] for row in rows]) if len(rows) > 1 else []
        if len(shared) < _LEAST_SHARED or self._works is False:
            shared = []
        if shared == self._ids:
            return
        self._ids, self._layers = shared, []
        if not shared:
            return
        import torch
        from transformers import DynamicCache

        with torch.inference_mode():
            ids = torch.tensor([shared], device=self._model.device)
            # An unconfigured cache keeps all positions, in layers with a sliding window too.
            cache = self._model(
                input_ids=ids, past_key_values=DynamicCache(), logits_to_keep=1
            ).past_key_values
        self.tokens_computed += len(shared)
        self._layers = [(layer.keys, layer.values) for layer in cache.layers]
        if self._works is None and not self._agrees(rows):
            self._works, self._ids, self._layers = False, [], []
        elif self._works is None:
            self._works = True

    def first_step(self, rows: Sequence[list[int]]) -> Step:
        """The pass over the prompts themselves."""
        return self._first_step(rows, cached=len(self._ids))

    def next_step(self, step: Step, tokens: Any) -> Step:
        """The pass over one more token for each row, given as a tensor of shape (rows,)."""
        import torch

        mask = torch.cat([step.mask, step.mask.new_ones(len(tokens), 1)], dim=1)
        positions = mask.sum(1, keepdim=True) - 1
        out = self._model(
            input_ids=tokens[:, None], attention_mask=mask, position_ids=positions, use_cache=True,
            past_key_values=step.cache, logits_to_keep=1,
        )  # fmt: skip
        return Step(out.logits[:, -1], out.past_key_values, mask, len(tokens))

    def _first_step(self, rows: Sequence[list[int]], cached: int) -> Step:
        import torch

        longest = max(map(len, rows))
        width = longest - cached
        device = self._model.device
        filler = rows[0][0]
        padded = [[filler] * (longest - len(row)) + row for row in rows]
        ids = torch.tensor([row[-width:] for row in padded], device=device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -width:]
        out = self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1,
            past_key_values=self._shifted([longest - len(row) for row in rows]) if cached else None,
        )  # fmt: skip
        return Step(out.logits[:, -1], out.past_key_values, mask, ids.numel())

    def _shifted(self, paddings: Sequence[int]) -> Any:
        """The cached keys and values for each row, moved right by its padding."""
        import torch
        from torch.nn.functional import pad
        from transformers import DynamicCache

        cache = DynamicCache()
        for index, pair in enumerate(self._layers):
            # (1, heads, positions, width): zeros go in front, and as many fall off at the end.
            keys, values = (
                torch.cat([pad(kept[:, :, : kept.shape[2] - by], (0, 0, by, 0)) for by in paddings])
                for kept in pair
            )
            cache.update(keys, values, index)
        return cache

    def _agrees(self, rows: Sequence[list[int]]) -> bool:
        """Whether two prompts of different length come out alike with and without the cache.

        Architectures differ in what they cache; a wrong use of it would give plausible wrong ratings.
        """
        import torch

        ordered = sorted(rows, key=len)
        pair = [ordered[0], ordered[len(ordered) // 2]]
        if len(pair[1]) - len(pair[0]) >= len(self._ids):
            pair = [pair[0], pair[0]]
        with torch.inference_mode():
            with_cache = self._first_step(pair, len(self._ids)).logits.float().softmax(-1)
            without = torch.cat([self._first_step([row], 0).logits for row in pair]).float().softmax(-1)
        return bool((with_cache - without).abs().max() <= _LARGEST_DIFFERENCE)


def _keeps_plain_cache(model: Any) -> bool:
    """Whether the model caches keys and values by position and nothing else."""
    config = model.config
    return not (
        getattr(model, "_is_stateful", False)
        or getattr(config, "is_encoder_decoder", False)
        or getattr(config.get_text_config(), "use_cache", True) is False
    )
