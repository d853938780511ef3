"""The beginnings that prompts share, computed once and kept as keys and values.

All prompts of a judge begin with its rubric, and the prompts about the responses to one prompt share that
prompt as well. Both beginnings are computed once, the second on top of the first.

Rows of a batch end together: they are padded on the left, as is usual. Their first columns come from the
cache and are not computed: with w the largest number of tokens that a row of the batch has after its kept
beginning, a row of n tokens gets the kept keys and values of its first n - w tokens, and w are computed. A
short row thus computes the end of its beginning again, and every row's tokens stand side by side without a
gap. That matters for models with sliding windows, which count columns: with gaps, what a row sees would
depend on the rows beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from diversity_eval.judging.backends.encoding import common_beginning

__all__ = ["Beginning", "SharedPrefix", "Step", "plan_groups"]

_LEAST_SHARED = 16  # tokens; a shorter beginning of all prompts isn't worth a pass of its own
_LEAST_SHARED_BY_GROUP = 6
_FAMILY_BEGINNING, _SMALLEST_FAMILY = 64, 8  # tokens of a rubric; rows
_LARGEST_DIFFERENCE = 0.05  # in probability, between with and without the cache; bfloat16 alone gives 0.01
_GROUPS_AT_ONCE = 4  # whose keys and values are held; of a 70B model about 100 MB each
_TOKENS_AT_ONCE = 65_536  # of a padded batch: a few very long responses do not need memory for sixteen


@dataclass
class Beginning:
    """Keys and values of the first tokens of some prompts.

    Attributes:
        length: how many tokens.
        layers: for each layer keys and values, each of shape (1, heads, length, width).
    """

    length: int
    layers: list[tuple[Any, Any]]


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
    """Forward passes over batches of prompts that compute what the prompts share only once."""

    def __init__(self, model: Any) -> None:
        """`model` is a causal language model of transformers."""
        self._model = model
        self._ids: list[int] = []
        self._common = Beginning(0, [])
        self._works: bool | None = None if _keeps_plain_cache(model) else False
        self.tokens_computed = 0
        self._kept_lengths: list[int] = []

    @property
    def state(self) -> str:
        """Whether the cache is used, for the record."""
        if self._works is False:
            return "computed for each prompt: this model's cache cannot be shared"
        lengths = ", ".join(map(str, self._kept_lengths))
        return f"computed once: {lengths} tokens" if lengths else "none"

    def batches(self, rows: Sequence[list[int]], size: int) -> Iterator[tuple[list[int], list[Beginning]]]:
        """All rows by their indices, in batches of at most `size`, with the beginning kept for each.

        Rows of one rubric go together. Among them rows that lie near in length share a batch, and the longest
        come first: a batch that is too large for the memory shows at once.
        """
        for family in _families(rows):
            for batch, beginnings in self._family_batches([rows[index] for index in family], size):
                yield [family[index] for index in batch], beginnings

    def _family_batches(
        self, rows: Sequence[list[int]], size: int
    ) -> Iterator[tuple[list[int], list[Beginning]]]:
        import torch

        with torch.inference_mode():
            self._keep_common(rows)
        groups = plan_groups(rows, self._common.length if self._works else None)
        groups.sort(key=lambda group: -max(len(rows[index]) - group.length for index in group.rows))
        while groups:
            taken = [groups.pop(0)]
            kept_groups = int(taken[0].length > self._common.length)
            while groups and sum(len(group.rows) for group in taken) < 4 * size:
                kept_groups += groups[0].length > self._common.length
                if kept_groups > _GROUPS_AT_ONCE:
                    break
                taken.append(groups.pop(0))
            with torch.inference_mode():
                beginnings = self._keep_groups(rows, taken)
            kept = {
                index: beginning
                for group, beginning in zip(taken, beginnings, strict=True)
                for index in group.rows
            }
            order = sorted(kept, key=lambda index: kept[index].length - len(rows[index]))
            for batch in _portions(order, rows, size):
                yield batch, [kept[index] for index in batch]

    def first_step(self, rows: Sequence[list[int]], beginnings: Sequence[Beginning]) -> Step:
        """The pass over the prompts themselves."""
        import torch

        width = max(len(row) - kept.length for row, kept in zip(rows, beginnings, strict=True))
        cached = max(0, max(map(len, rows)) - width)
        columns = cached + width
        paddings = [columns - len(row) for row in rows]
        device = self._model.device
        padded = [[row[0]] * padding + row for row, padding in zip(rows, paddings, strict=True)]
        ids = torch.tensor([row[cached:] for row in padded], device=device)
        mask = torch.tensor(
            [[0] * padding + [1] * len(row) for row, padding in zip(rows, paddings, strict=True)],
            device=device,
        )
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, cached:]
        out = self._model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1,
            past_key_values=_shifted(beginnings, paddings, cached),
        )  # fmt: skip
        return Step(out.logits[:, -1], out.past_key_values, mask, ids.numel())

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

    def _keep_common(self, rows: Sequence[list[int]]) -> None:
        """Compute the beginning of all rows, unless it is there; a row's last token stays out of it."""
        shared = common_beginning([row[:-1] for row in rows]) if len(rows) > 1 else []
        if len(shared) < _LEAST_SHARED or self._works is False:
            shared = []
        if shared == self._ids:
            return
        self._ids, self._common = shared, Beginning(0, [])
        if not shared:
            return
        (self._common,) = self._compute([shared])
        if self._common.length not in self._kept_lengths:
            self._kept_lengths.append(self._common.length)
        if self._works is None:
            self._works = self._agrees(rows)
            if not self._works:
                self._ids, self._common = [], Beginning(0, [])

    def _keep_groups(self, rows: Sequence[list[int]], groups: Sequence["_Group"]) -> list[Beginning]:
        """The beginning of each group of rows, on top of the common one."""
        longer = [group for group in groups if group.length > self._common.length]
        computed = iter(self._compute([rows[group.rows[0]][: group.length] for group in longer]))
        return [next(computed) if group.length > self._common.length else self._common for group in groups]

    def _compute(self, beginnings: Sequence[list[int]]) -> list[Beginning]:
        if not beginnings:
            return []
        step = self.first_step(beginnings, [self._common] * len(beginnings))
        self.tokens_computed += step.tokens
        return [
            Beginning(
                len(ids),
                [
                    (layer.keys[row : row + 1, :, -len(ids) :], layer.values[row : row + 1, :, -len(ids) :])
                    for layer in step.cache.layers
                ],
            )
            for row, ids in enumerate(beginnings)
        ]

    def _agrees(self, rows: Sequence[list[int]]) -> bool:
        """Whether two prompts of different length come out alike with and without the cache.

        Architectures differ in what they cache; a wrong use of it would give plausible wrong ratings.
        """
        import torch

        ordered = sorted(rows, key=len)
        pair = [ordered[0], ordered[len(ordered) // 2]]
        nothing = Beginning(0, [])
        with_cache = self.first_step(pair, [self._common] * 2).logits.float().softmax(-1)
        without = torch.cat([self.first_step([row], [nothing]).logits for row in pair]).float().softmax(-1)
        return bool((with_cache - without).abs().max() <= _LARGEST_DIFFERENCE)


@dataclass
class _Group:
    rows: list[int]
    length: int


def plan_groups(rows: Sequence[list[int]], common: int | None) -> list[_Group]:
    """Rows that share more than the first `common` tokens, together with how many they share.

    Neighbours in alphabetical order are compared, so that rows about one prompt stand together. A row that
    would cost the group a quarter of what it shares beyond `common` begins another. Whatever the groups, the
    results are the same; only the work differs. With None every row is by itself and shares nothing.
    """
    if common is None:
        return [_Group([index], 0) for index in range(len(rows))]
    groups: list[_Group] = []
    for index in sorted(range(len(rows)), key=lambda index: rows[index]):
        row = rows[index]
        if groups:
            group = groups[-1]
            shared = len(common_beginning([rows[group.rows[0]][:-1], row[:-1]]))
            most = group.length if len(group.rows) > 1 else shared
            if shared - common >= _LEAST_SHARED_BY_GROUP and shared - common >= 0.75 * (most - common):
                group.rows.append(index)
                group.length = min(shared, most)
                continue
        groups.append(_Group([index], common))
    for group in groups:
        if len(group.rows) == 1:
            group.length = common
    return groups


def _families(rows: Sequence[list[int]]) -> list[list[int]]:
    """Rows that begin alike; those of small families together, since a batch should be full."""
    found: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(rows):
        found.setdefault(tuple(row[:_FAMILY_BEGINNING]), []).append(index)
    families = [family for family in found.values() if len(family) >= _SMALLEST_FAMILY]
    rest = [index for family in found.values() if len(family) < _SMALLEST_FAMILY for index in family]
    return [*families, *([rest] if rest else [])]


def _portions(order: Sequence[int], rows: Sequence[list[int]], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(rows[index]))
        if batch and (len(batch) == size or longest * (len(batch) + 1) > _TOKENS_AT_ONCE):
            yield batch
            batch, longest = [], len(rows[index])
        batch.append(index)
    if batch:
        yield batch


def _shifted(beginnings: Sequence[Beginning], paddings: Sequence[int], cached: int) -> Any:
    """The kept keys and values of each row, moved right by its padding and cut to `cached` columns."""
    import torch
    from torch.nn.functional import pad
    from transformers import DynamicCache

    # An unconfigured cache keeps all positions, in layers with a sliding window too.
    cache = DynamicCache()
    if cached == 0:
        return cache
    filled = max(beginnings, key=lambda kept: kept.length)
    for layer, like in enumerate(filled.layers):
        both = []
        for which in (0, 1):
            parts = []
            for kept, by in zip(beginnings, paddings, strict=True):
                taken = max(0, cached - by)
                part = (kept.layers if kept.layers else filled.layers)[layer][which][:, :, :taken]
                parts.append(pad(part, (0, 0, cached - taken, 0)))
            both.append(torch.cat(parts).to(like[which].dtype))
        cache.update(both[0], both[1], layer)
    return cache


def _keeps_plain_cache(model: Any) -> bool:
    """Whether the model caches keys and values by position and nothing else."""
    config = model.config
    return not (
        getattr(model, "_is_stateful", False)
        or getattr(config, "is_encoder_decoder", False)
        or getattr(config.get_text_config(), "use_cache", True) is False
    )
