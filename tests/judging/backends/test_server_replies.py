"""Bodies that a server may send, well-formed and otherwise, and the distributions read from them."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.backends.server_replies import (
    Answer,
    AttemptError,
    Position,
    read_answer,
    scale_probabilities,
    where_the_rating_stands,
)
from diversity_eval.judging.verdict import parse_rating
from tests.judging.faulty_judge import tokens_of


def chat(content: Any, logprobs: Any = None, **rest: Any) -> bytes:
    choice = {"message": {"role": "assistant", "content": content}, "logprobs": logprobs}
    return json.dumps({"choices": [choice], **rest}).encode()


def entry(token: Any, logprob: Any, *tops: tuple[Any, Any]) -> dict[str, Any]:
    listed = [{"token": top, "logprob": value} for top, value in tops]
    return {"token": token, "logprob": logprob, "top_logprobs": listed}


def test_text_model_and_token_counts() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 5},
    }
    body = chat("Total rating: 4", model="some/model", usage=usage)
    expected = Answer("Total rating: 4", (), "some/model", {"prompt": 7, "cached": 5, "reply": 3})
    assert read_answer(body, logprobs=False) == expected


@pytest.mark.parametrize(
    "usage", [None, [], "7", {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 1e9}]
)
def test_token_counts_that_are_none_are_left_out(usage: Any) -> None:
    assert read_answer(chat("4", usage=usage), logprobs=False).tokens == {}


def test_no_content_is_an_empty_reply() -> None:
    """A refusal, or nothing but reasoning: an answer without a rating, not a failure."""
    assert read_answer(chat(None), logprobs=False).text == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b'{"choices": [{"message": {"content": "4"',
        b"[" * 100_000,
        b"null",
        b"7",
        b"[]",
        b"{}",
        b'{"choices": null}',
        b'{"choices": {}}',
        b'{"choices": []}',
        b'{"choices": ["4"]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {}}]}',
        b'{"choices": [{"message": {"content": 4}}]}',
        b'{"choices": [{"text": ["4"]}]}',
    ],
)
def test_bodies_that_are_no_answer(body: bytes) -> None:
    with pytest.raises(AttemptError, match=r"not JSON|no completion"):
        read_answer(body, logprobs=False)


def test_both_formats_of_log_probabilities_say_the_same() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    newer = {"content": [entry(" 4", half, (" 4", half), (" 3", quarter))]}
    older = {"tokens": [" 4"], "token_logprobs": [half], "top_logprobs": [{" 4": half, " 3": quarter}]}
    expected = (Position(" 4", 0.5, ((" 4", 0.5), (" 3", 0.25))),)
    assert read_answer(chat(" 4", newer), logprobs=True).positions == expected
    old_body = json.dumps({"choices": [{"text": " 4", "logprobs": older}]}).encode()
    assert read_answer(old_body, logprobs=True).positions == expected


def test_the_token_itself_counts_where_the_list_leaves_it_out() -> None:
    body = chat("4", {"content": [entry("4", math.log(0.25), ("3", math.log(0.5)))]})
    (position,) = read_answer(body, logprobs=True).positions
    assert dict(position.likeliest) == pytest.approx({"3": 0.5, "4": 0.25})


def test_a_token_that_is_listed_twice_counts_once() -> None:
    sure = math.log(0.9)
    body = chat("4", {"content": [entry("4", sure, ("4", sure), ("4", sure))]})
    (position,) = read_answer(body, logprobs=True).positions
    assert len(position.likeliest) == 1


@pytest.mark.parametrize(
    "logprobs",
    [None, {"content": None}, {"content": []}, {"content": [entry("4", -0.1)]}, {"top_logprobs": None}],
)
def test_no_log_probabilities(logprobs: Any) -> None:
    with pytest.raises(AttemptError, match="no log-probabilities") as caught:
        read_answer(chat("4", logprobs), logprobs=True)
    assert caught.value.no_logprobs


@pytest.mark.parametrize(
    "logprobs",
    [
        7,
        "4",
        [],
        {},
        {"content": 7},
        {"content": {}, "tokens": []} | {"content": [7]},
        {"content": [{"token": "4"}]},
        {"content": [entry(4, -0.1, ("4", -0.1))]},
        {"content": [entry("4", None, ("4", -0.1))]},
        {"content": [entry("4", -0.1, (4, -0.1))]},
        {"content": [entry("4", -0.1, ("4", "-0.1"))]},
        {"content": [entry("4", -0.1, ("4", True))]},
        {"content": [entry("4", -0.1, ("4", math.nan))]},
        {"content": [entry("4", -0.1, ("4", -math.inf))]},
        {"content": [entry("4", -0.1, ("4", 0.01))]},
        {"content": [entry("4", -0.1, ("4", -(10**400)))]},
        {"content": [entry("4", -0.1, ("4", -0.1), ("3", -0.1))]},
        {"content": [entry("4", -0.1, ("3", -0.1))]},
        {"content": [{"token": "4", "logprob": -0.1, "top_logprobs": {"4": -0.1}}]},
        {"tokens": ["4"], "token_logprobs": [-0.1]},
        {"tokens": ["4", "."], "token_logprobs": [-0.1], "top_logprobs": [{"4": -0.1}]},
        {"tokens": ["4"], "token_logprobs": [-0.1], "top_logprobs": [[["4", -0.1]]]},
    ],
)
def test_log_probabilities_that_cannot_be_true(logprobs: Any) -> None:
    with pytest.raises(AttemptError, match="malformed") as caught:
        read_answer(chat("4", logprobs), logprobs=True)
    assert not caught.value.no_logprobs
    assert read_answer(chat("4", logprobs), logprobs=False).text == "4"  # nobody asked for them


def test_rounding_is_forgiven() -> None:
    body = chat("4", {"content": [entry("4", 0.0005, ("4", 0.0005), ("3", -7.5))]})
    (position,) = read_answer(body, logprobs=True).positions
    assert position.probability == 1.0
    assert sum(scale_probabilities([position], 0, 5)) == pytest.approx(1.0)


NAMES = [
    "choices", "message", "content", "text", "logprobs", "token", "tokens", "logprob", "usage", "model",
    "top_logprobs", "token_logprobs", "prompt_tokens_details", "cached_tokens",
]  # fmt: skip
VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["4", " 4", "", "Total"])
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON, st.booleans())
def test_whatever_comes_is_an_answer_or_one_kind_of_error(message: Any, logprobs: Any, wanted: bool) -> None:
    for whole in (
        logprobs,
        {"choices": [{"message": message, "logprobs": logprobs}], "usage": message},
        {"choices": [{"text": "4", "logprobs": {"content": [logprobs]}}]},
        {
            "choices": [
                {
                    "text": "4",
                    "logprobs": {"content": [{"token": "4", "logprob": -1, "top_logprobs": logprobs}]},
                }
            ]
        },
    ):
        try:
            answer = read_answer(json.dumps(whole).encode(), logprobs=wanted)
        except AttemptError:
            continue
        assert isinstance(answer.text, str)
        for position in answer.positions:
            assert 0 <= sum(share for _, share in position.likeliest) <= 1.002
        assert 0 <= sum(scale_probabilities(answer.positions, 0, 5)) <= 1 + 1e-9


def at(token: str, *likeliest: tuple[str, float]) -> Position:
    return Position(token, dict(likeliest)[token], likeliest)


def test_forms_of_a_digit_are_added_up() -> None:
    position = at(
        "4",
        ("4", 0.3),
        (" 4", 0.2),
        ("\u01204", 0.1),
        ("\u25814", 0.05),
        ("3", 0.1),
        ("four", 0.1),
        ("44", 0.05),
    )
    assert scale_probabilities([position], 0, 5) == pytest.approx([0, 0, 0, 0.1, 0.65, 0])
    assert scale_probabilities([position], 4, 6) == pytest.approx([0.65, 0, 0])


@pytest.mark.parametrize("space", [" ", "\n\n", "**", " \u2581", "\u0120", "\u010a"])
def test_probabilities_multiply_over_white_space(space: str) -> None:
    first = at(space, (space, 0.5), ("4", 0.2))
    second = at("3", ("3", 0.6), ("4", 0.3))
    assert scale_probabilities([first, second], 3, 5) == pytest.approx([0.5 * 0.6, 0.2 + 0.5 * 0.3, 0])


def test_nothing_counts_after_other_words() -> None:
    """What comes then may be a quotation."""
    assert scale_probabilities([at("The", ("The", 0.9), ("4", 0.1)), at("5", ("5", 1.0))], 0, 5)[5] == 0
    assert scale_probabilities([at("", ("", 1.0)), at("5", ("5", 1.0))], 0, 5)[5] == 0
    assert scale_probabilities([at("3", ("3", 1.0)), at("5", ("5", 1.0))], 0, 5)[5] == 0
    assert scale_probabilities([at(" ", (" ", 1.0))], 0, 5) == [0.0] * 6
    assert scale_probabilities([], 0, 5) == [0.0] * 6


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("Total rating: 4", "Total rating: |4"),
        ("**Total rating:** 4.", "**Total rating:** |4."),
        ("Total rating: 4\nTotal rating: 3", "Total rating: 4\nTotal rating: |3"),
        ("Total rating: 3 is what I give 3 of 3 stories", "Total rating: |3 is what I give 3 of 3 stories"),
        ("Total rating: 4\nTotal rating: 9", "Total rating: |4\nTotal rating: 9"),
        ("0 of 4. Total rating: 0", "0 of 4. Total rating: |0"),
        ("4", None),
        ("Total rating: 44", None),
        ("", None),
    ],
)
def test_where_the_last_verdict_stands(reply: str, place: str | None) -> None:
    positions = [at(token, (token, 1.0)) for token in tokens_of(reply)]
    found = where_the_rating_stands(positions, 0, 5)
    expected = None if place is None else len(tokens_of(place.split("|")[0]))
    assert found == expected


@given(st.lists(st.sampled_from(["Total", " rating", ":", " ", "4", "3", "9", "\n", "**", "."]), max_size=20))
def test_the_token_found_holds_the_rating(tokens: list[str]) -> None:
    found = where_the_rating_stands([at(token, (token, 1.0)) for token in tokens], 0, 5)
    rating = parse_rating("".join(tokens))
    assert (None if found is None else tokens[found]) == (None if rating is None else str(rating))


def test_a_flood_of_digits_after_the_verdict_takes_no_time() -> None:
    tokens = tokens_of("Total rating: 4\n") + ["4"] * 50_000
    assert where_the_rating_stands([at(token, (token, 1.0)) for token in tokens], 0, 5) is None
