import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.backends.prefix import SharedPrefix, plan_groups


def load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def some_rows(vocabulary: int) -> list[list[int]]:
    """60 shared tokens; groups of 1, 2 and 5 rows that share 0, 20, 35 more; 1 to 90 tokens of their own."""
    draw = random.Random(7)
    tokens = range(3, vocabulary)
    common = draw.choices(tokens, k=60)
    rows = []
    for members, shared in ((1, 0), (2, 20), (5, 35), (1, 50)):
        beginning = common + draw.choices(tokens, k=shared)
        rows += [beginning + draw.choices(tokens, k=draw.choice((1, 5, 40, 90))) for _ in range(members)]
    draw.shuffle(rows)
    return rows


@pytest.mark.parametrize("which", ["long_checkpoint", "sliding_checkpoint"])
@pytest.mark.parametrize("size", [1, 4, 16])
def test_logits_are_those_of_each_row_alone_without_any_cache(
    which: str, size: int, request: pytest.FixtureRequest
) -> None:
    import torch

    model = load(request.getfixturevalue(which))
    rows = some_rows(model.config.vocab_size)
    shared = SharedPrefix(model)
    seen: dict[int, Any] = {}
    computed = 0
    with torch.inference_mode():
        for batch, beginnings in shared.batches(rows, size):
            assert len(batch) <= size
            step = shared.first_step([rows[index] for index in batch], beginnings)
            computed += step.tokens
            after = shared.next_step(step, torch.full((len(batch),), 5))
            for place, index in enumerate(batch):
                assert index not in seen
                seen[index] = (step.logits[place], after.logits[place])
        for index, row in enumerate(rows):
            alone = model(input_ids=torch.tensor([[*row, 5]])).logits[0, -2:]
            torch.testing.assert_close(torch.stack(seen[index]), alone, rtol=1e-4, atol=1e-4)
    assert len(seen) == len(rows)
    assert shared.state == "computed once: 60 tokens"
    # 60 shared tokens are not computed again for every row; in one batch of all, the longest row decides.
    assert size == 16 or computed + shared.tokens_computed < sum(map(len, rows)) - 60 * (len(rows) - 3)


def test_a_model_that_does_not_cache_by_position_gets_whole_rows(long_checkpoint: Path) -> None:
    import torch

    model = load(long_checkpoint)
    model._is_stateful = True
    rows = some_rows(model.config.vocab_size)
    shared = SharedPrefix(model)
    with torch.inference_mode():
        for batch, beginnings in shared.batches(rows, 4):
            step = shared.first_step([rows[index] for index in batch], beginnings)
            assert step.tokens == 4 * max(len(rows[index]) for index in batch) or len(batch) < 4
            for place, index in enumerate(batch):
                alone = model(input_ids=torch.tensor([rows[index]])).logits[0, -1]
                torch.testing.assert_close(step.logits[place], alone, rtol=1e-4, atol=1e-4)
    assert shared.state.startswith("computed for each prompt")


def test_a_cache_that_would_change_the_results_is_not_used(
    long_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in what is kept: the first two positions change places."""
    import torch

    model = load(long_checkpoint)
    for parameter in model.parameters():  # untrained, it hardly looks at what it has read
        parameter.data *= 8
    rows = some_rows(model.config.vocab_size)
    keep = SharedPrefix._compute

    def wrong(self: SharedPrefix, beginnings: Any) -> Any:
        kept = keep(self, beginnings)
        for beginning in kept:
            beginning.layers = [(keys.flip(2), values) for keys, values in beginning.layers]
        return kept

    monkeypatch.setattr(SharedPrefix, "_compute", wrong)
    shared = SharedPrefix(model)
    with torch.inference_mode():
        for batch, beginnings in shared.batches(rows, 4):
            assert all(beginning.length == 0 for beginning in beginnings)
            assert batch
    assert shared.state.startswith("computed for each prompt")


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=40), max_size=12), st.integers(0, 3))
def test_groups_hold_every_row_once_and_share_what_they_say(rows: list[list[int]], common: int) -> None:
    rows = [[9] * common + row for row in rows]
    groups = plan_groups(rows, common)
    assert sorted(index for group in groups for index in group.rows) == list(range(len(rows)))
    for group in groups:
        beginnings = {tuple(rows[index][: group.length]) for index in group.rows}
        assert len(beginnings) == 1
        assert all(len(rows[index]) > group.length for index in group.rows)


def test_rows_about_one_prompt_stand_together() -> None:
    rows = [[1] * 30 + [2] * 20 + [3, i] for i in range(4)] + [[1] * 30 + [4] * 20 + [5, i] for i in range(3)]
    groups = plan_groups(rows, 30)
    assert sorted((sorted(group.rows), group.length) for group in groups) == [
        ([0, 1, 2, 3], 51),
        ([4, 5, 6], 51),
    ]


def test_rows_that_share_nothing_more_still_fill_a_batch(long_checkpoint: Path) -> None:
    import torch

    model = load(long_checkpoint)
    draw = random.Random(3)
    rows = [[5] * 30 + draw.choices(range(10, 300), k=12) for _ in range(20)]
    with torch.inference_mode():
        sizes = [len(batch) for batch, _ in SharedPrefix(model).batches(rows, 8)]
    assert sizes == [8, 8, 4]


def test_rows_of_two_rubrics_keep_the_beginning_of_each(long_checkpoint: Path) -> None:
    import torch

    model = load(long_checkpoint)
    draw = random.Random(11)
    rubrics = [draw.choices(range(3, 300), k=120) for _ in range(2)]
    rows = [[5, *rubrics[n % 2], *draw.choices(range(3, 300), k=9)] for n in range(24)]
    shared = SharedPrefix(model)
    computed = 0
    seen = set()
    with torch.inference_mode():
        for batch, beginnings in shared.batches(rows, 8):
            step = shared.first_step([rows[index] for index in batch], beginnings)
            computed += step.tokens
            for place, index in enumerate(batch):
                seen.add(index)
                alone = model(input_ids=torch.tensor([rows[index]])).logits[0, -1]
                torch.testing.assert_close(step.logits[place], alone, rtol=1e-4, atol=1e-4)
    assert seen == set(range(24))
    assert computed + shared.tokens_computed < 24 * 40 < sum(map(len, rows)) / 3
