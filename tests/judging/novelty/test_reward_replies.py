"""Answers of reward models' servers, good and bad."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.backends.server_replies import AttemptError
from diversity_eval.judging.novelty.reward_replies import NoRewardError, RewardReply, read_reward


def body(numbers: Any, key: str = "probs", **more: Any) -> bytes:
    return json.dumps({"data": [{"index": 0, key: numbers}], **more}).encode()


def test_both_forms() -> None:
    usage = {"prompt_tokens": 29, "total_tokens": 29}
    assert read_reward(body([-7.5], model="m", usage=usage)) == RewardReply(-7.5, "m", 29)
    assert read_reward(body([3], "data", object="list")) == RewardReply(3.0)


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", '"1.5"', "null", "true", "{}", "9" * 400]
)
def test_what_is_no_finite_number_is_none(text: str) -> None:
    assert read_reward(f'{{"data": [{{"probs": [{text}]}}]}}'.encode()) == RewardReply(None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (body([0.1, 0.9]), "has 2 labels"),
        (body([0.1] * 64, "data"), "gives 64 numbers for a response"),
        (body([[0.1], [0.2]], "data"), "for every token"),
    ],
)
def test_answers_of_other_models(content: bytes, expected: str) -> None:
    with pytest.raises(NoRewardError, match=expected):
        read_reward(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"1", b"null", b"{}", b'{"data": {}}', b'{"data": []}',
     b'{"data": [1]}', b'{"data": [[]]}', b'{"data": [{}]}', b'{"data": ["probs"]}', body([]),
     body("AAAA", "data"), body(1.5), b'{"data": [{"probs": [1]}, {"probs": [2]}]}',
     b'{"error": {"message": "overloaded"}}'],
)  # fmt: skip
def test_what_is_no_answer_may_be_one_next_time(content: bytes) -> None:
    with pytest.raises(AttemptError, match=r"not JSON|no reward"):
        read_reward(content)


@pytest.mark.parametrize("count", [True, -1, "7", 1.5, None, 10**9, [1]])
def test_counts_that_cannot_be_true_are_left_out(count: Any) -> None:
    assert read_reward(body([1.0], usage={"prompt_tokens": count})).tokens is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "probs", "model", "usage", "prompt_tokens"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(
    VALUES
    | st.builds(lambda v: {"data": [v]}, VALUES)
    | st.builds(lambda v: {"data": [{"probs": v}]}, VALUES)
)
def test_anything_else_is_read_or_refused(value: Any) -> None:
    try:
        reply = read_reward(json.dumps(value).encode())
    except (AttemptError, NoRewardError):
        return
    assert (
        reply.value is None or reply.value == value["data"][0].get("probs", value["data"][0].get("data"))[0]
    )
