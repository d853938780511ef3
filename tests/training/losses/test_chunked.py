"""How many tokens' logits are held at a time."""

import pytest
import torch

from diversity_eval.training.losses import chunked


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_chunks_keep_their_size_in_bytes(device: str) -> None:
    rows = {
        (vocabulary, dtype): chunked._rows(vocabulary, dtype, device)
        for vocabulary in (2, 32_000, 262_144) for dtype in (torch.float32, torch.float64)
    }  # fmt: skip
    assert rows[32_000, torch.float32] == pytest.approx(2 * rows[32_000, torch.float64], abs=1)
    assert rows[2, torch.float32] > rows[32_000, torch.float32] >= rows[262_144, torch.float32]
    assert min(rows.values()) >= 128
    assert rows[32_000, torch.float32] * 32_000 * 4 <= 256 << 20


def test_a_known_chunk() -> None:
    assert chunked._rows(32_000, torch.float32, "cpu") == 262  # 32 MiB
    assert chunked._rows(10**6, torch.float32, "cpu") == 128
