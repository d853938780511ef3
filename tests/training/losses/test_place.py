"""Where tokens are in their responses, against a walk along each row."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.training.losses import response_places


def walk(row: list[int], ignored: int) -> tuple[list[int], list[int]]:
    position, length = [1] * len(row), [1] * len(row)
    start = 0
    while start < len(row):
        if row[start] == ignored:
            start += 1
            continue
        end = start
        while end < len(row) and row[end] != ignored:
            end += 1
        for index in range(start, end):
            position[index] = index - start + 1
            length[index] = end - start
        start = end
    return position, length


def test_worked_by_hand() -> None:
    out = -100
    labels = torch.tensor([[out, out, 5, 6, 7, out], [4, out, 4, 4, out, 0], [out] * 6, [1, 2, 3, 4, 5, 6]])
    position, length = response_places(labels)
    assert position.tolist() == [
        [1, 1, 1, 2, 3, 1], [1, 1, 1, 2, 1, 1], [1] * 6, [1, 2, 3, 4, 5, 6]
    ]  # fmt: skip
    assert length.tolist() == [[1, 1, 3, 3, 3, 1], [1, 1, 2, 2, 1, 1], [1] * 6, [6] * 6]


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([-100, 0, 3]), min_size=width, max_size=width), min_size=1, max_size=4
        )
    )
    | st.integers(6, 40).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([-100, 0, 1, 2]), min_size=width, max_size=width), min_size=1, max_size=3
        )
    )
)
def test_equals_a_walk(rows: list[list[int]]) -> None:
    position, length = response_places(torch.tensor(rows))
    expected = [walk(row, -100) for row in rows]
    assert position.tolist() == [each[0] for each in expected]
    assert length.tolist() == [each[1] for each in expected]


def test_another_ignored_label() -> None:
    position, length = response_places(torch.tensor([[0, -100, 2, 0]]), ignored=0)
    assert position.tolist() == [[1, 1, 2, 1]]
    assert length.tolist() == [[1, 2, 2, 1]]


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_nothing(shape: tuple[int, int]) -> None:
    position, length = response_places(torch.empty(shape, dtype=torch.long))
    assert position.shape == length.shape == shape
