from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diversity_eval.training.data.conversation import FilteredRowError, Message, UnusableRowError
from diversity_eval.training.data.layouts import ALPACA, FILE_LAYOUTS, Layout, numina_math_cot, ultrafeedback

MESSAGES, RESPONSE, COMPLETION, _ = FILE_LAYOUTS


def reason(layout: Layout, row: dict[str, Any]) -> str:
    with pytest.raises(UnusableRowError) as caught:
        layout.messages(row)
    return str(caught.value)


def test_alpaca_keeps_prompt_and_input_and_strips_the_response() -> None:
    row = {"instruction": " Add. ", "input": " 1\n2 ", "output": "\n 3 \n", "text": "never used"}
    assert ALPACA.messages(row) == (Message("user", " Add. ", " 1\n2 "), Message("assistant", "3"))


@pytest.mark.parametrize("given_input", [{}, {"input": None}, {"input": ""}, {"input": " \n"}])
def test_alpaca_without_an_input(given_input: dict[str, Any]) -> None:
    turns = ALPACA.messages({"instruction": "Sing.", "output": "La."} | given_input)
    assert turns == (Message("user", "Sing."), Message("assistant", "La."))
    assert turns[0].for_template() == {"role": "user", "content": "Sing."}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "", "output": "x"}, "empty prompt"),
        ({"instruction": "\n", "output": "x"}, "empty prompt"),
        ({"instruction": "x", "output": " \u3000"}, "empty response"),
        ({"instruction": "x"}, "missing field 'output'"),
        ({"instruction": None, "output": "x"}, "missing field 'instruction'"),
        ({"instruction": 3, "output": "x"}, "wrong type of 'instruction'"),
        ({"instruction": "x", "output": ["y"]}, "wrong type of 'output'"),
        ({"instruction": "x", "output": "y", "input": 0}, "wrong type of 'input'"),
    ],
)
def test_alpaca_rows_that_are_left_out(row: dict[str, Any], expected: str) -> None:
    assert reason(ALPACA, row) == expected


def test_prompt_with_response_or_completion() -> None:
    expected = (Message("user", "a"), Message("assistant", "b"))
    assert RESPONSE.messages({"prompt": "a", "response": "b\n"}) == expected
    assert COMPLETION.messages({"prompt": "a", "completion": " b"}) == expected
    assert not RESPONSE.fits({"prompt": "a", "response": None})


def scored(*scores: Any) -> dict[str, Any]:
    completions = [
        {"response": f"r{i}", "overall_score": score, "model": "m", "annotations": {}}
        for i, score in enumerate(scores)
    ]
    return {"instruction": "q", "completions": completions, "source": "s", "models": []}


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ((7.0, 9.5, 8.0, 1.0), "r1"),
        ((8.0, 9.0, 9.0), "r1"),
        (("7.5", 7), "r0"),
        ((None, float("nan"), "N/A", 7), "r3"),
        ((float("inf"), 85, "1e3", True, 7.0), "r4"),
        ((10**400, 8), "r1"),
        (([9], {"a": 9}, 7), "r2"),
    ],
)
def test_the_best_completion_the_first_of_equal_ones(scores: tuple[Any, ...], best: str) -> None:
    assert ultrafeedback(7.0).messages(scored(*scores))[1] == Message("assistant", best)


def test_a_low_score_is_filtered_and_not_a_fault() -> None:
    with pytest.raises(FilteredRowError, match=r"score below 7$"):
        ultrafeedback(7.0).messages(scored(6.9, 5))
    assert ultrafeedback(6.5).messages(scored(6.9, 5))[1].content == "r0"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (scored(None, "N/A"), "no completion with a score"),
        (scored(), "no completion with a score"),
        ({"instruction": "q"}, "missing field 'completions'"),
        ({"instruction": "q", "completions": {"response": "x"}}, "wrong type of 'completions'"),
        ({"instruction": "q", "completions": ["x"]}, "wrong type of 'completions'"),
        ({"instruction": "q", "completions": [{"overall_score": 9}]}, "missing field 'response'"),
        ({"instruction": "q", "completions": [{"overall_score": 9, "response": " "}]}, "empty response"),
        (scored(9) | {"instruction": " "}, "empty prompt"),
    ],
)
def test_ultrafeedback_rows_that_are_left_out(row: dict[str, Any], expected: str) -> None:
    assert reason(ultrafeedback(7.0), row) == expected


def test_numina_plain_and_with_reasoning() -> None:
    row = {"problem": "1 + 1?", "solution": "It is \\boxed{2}, so \\boxed{\\frac{4}{2}}.\n"}
    assert numina_math_cot(False).messages(row)[1].content == "It is \\boxed{2}, so \\boxed{\\frac{4}{2}}."
    assert numina_math_cot(True).messages(row)[1].content == (
        "<|reasoning|>\nIt is \\boxed{2}, so \\boxed{\\frac{4}{2}}.\n<|/reasoning|>\n"
        "<|answer|>\n\\frac{4}{2}\n<|/answer|>"
    )


def test_numina_rows_that_are_left_out() -> None:
    for reasoning in (False, True):
        with pytest.raises(FilteredRowError, match="no boxed answer"):
            numina_math_cot(reasoning).messages({"problem": "p", "solution": "clear"})
    proof = {"problem": "p", "solution": "clear \\boxed{}"}
    assert numina_math_cot(False).messages(proof)[1].content == "clear \\boxed{}"
    with pytest.raises(FilteredRowError, match="empty boxed answer"):
        numina_math_cot(True).messages(proof)
    marked = {"problem": "p", "solution": "<|answer|> \\boxed{1}"}
    assert reason(numina_math_cot(True), marked) == "contains a delimiter"


def turns(*messages: tuple[Any, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def test_messages_with_a_system_prompt_and_several_turns() -> None:
    row = turns(
        ("system", "Be kind."), ("user", " a "), ("assistant", " b "), ("user", "c"), ("assistant", "d")
    )
    assert MESSAGES.messages(row) == (
        Message("system", "Be kind."),
        Message("user", " a "),
        Message("assistant", "b"),
        Message("user", "c"),
        Message("assistant", "d"),
    )
    blank = turns(("system", " "), ("user", "a"), ("assistant", "b"))
    assert MESSAGES.messages(blank) == (Message("user", "a"), Message("assistant", "b"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": None}, "missing field 'messages'"),
        ({"messages": "hi"}, "wrong type of 'messages'"),
        ({"messages": ["hi"]}, "wrong type of 'messages'"),
        ({"messages": []}, "no messages"),
        (turns(("system", "")), "no messages"),
        (turns(("user", "a")), "the last message is not the assistant's"),
        (turns(("assistant", "a")), "user and assistant do not take turns"),
        (turns(("user", "a"), ("user", "b"), ("assistant", "c")), "user and assistant do not take turns"),
        (
            turns(("user", "a"), ("assistant", "b"), ("system", "c"), ("assistant", "d")),
            "user and assistant do not take turns",
        ),
        (turns(("tool", "a"), ("assistant", "b")), "a role other than system, user and assistant"),
        (turns((["user"], "a"), ("assistant", "b")), "a role other than system, user and assistant"),
        (turns(("user", [{"type": "text"}]), ("assistant", "b")), "a message without text"),
        (turns(("user", "a"), ("assistant", None)), "a message without text"),
        (turns(("user", " "), ("assistant", "b")), "empty prompt"),
        (turns(("user", "a"), ("assistant", "")), "empty response"),
    ],
)
def test_messages_that_are_left_out(row: dict[str, Any], expected: str) -> None:
    assert reason(MESSAGES, row) == expected


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["role", "content", "response", "overall_score"])
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
COLUMNS = sorted(
    {column for layout in FILE_LAYOUTS for column in layout.columns}
    | {"input", "completions", "problem", "solution"}
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES))
def test_any_row_is_turns_or_a_reason(row: dict[str, Any]) -> None:
    for layout in (*FILE_LAYOUTS, ultrafeedback(7.0), numina_math_cot(False), numina_math_cot(True)):
        found: tuple[Message, ...] = ()
        why = ""
        try:
            found = layout.messages(row)
        except UnusableRowError as problem:
            why = str(problem)
        assert bool(found) != bool(why)
        assert not found or found[-1].role == "assistant"
        assert all(turn.content.strip() for turn in found)
