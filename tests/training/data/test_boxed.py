from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.training.data.boxed import last_boxed


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"so \boxed{7}.", "7"),
        (r"\boxed{1} and then \boxed{ 2 }", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}} is the set", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"\boxed {3}", "3"),
        ("\\boxed{a\nb}", "a\nb"),
        (r"\boxed{1} but \boxed{2", "1"),
        (r"\boxed{\boxed{4} + 1}", "4"),
        (r"x_{\boxed{5}}", "5"),
        (r"} \boxed{6} {", "6"),
        (r"a \\\boxed{8}", "8"),
        (r"Q.E.D. \boxed{}", ""),
        (r"\boxed{1} \boxed{ }", ""),
        ("no box", None),
        (r"\boxed 7", None),
        (r"\boxed{7\}", None),
        (r"\fbox{7}", None),
        ("", None),
    ],
)
def test_the_last_box_that_is_closed(solution: str, answer: str | None) -> None:
    assert last_boxed(solution) == answer


def _slow(solution: str) -> str | None:
    """Every box tried from the last backwards, brace by brace."""
    for begin in range(len(solution), -1, -1):
        if not solution.startswith("\\boxed{", begin) or _escaped(solution, begin):
            continue
        place, depth = begin + len("\\boxed{"), 1
        content = place
        while place < len(solution):
            if solution[place] == "\\":
                place += 2
                continue
            depth += (solution[place] == "{") - (solution[place] == "}")
            if depth == 0:
                return solution[content:place].strip()
            place += 1
    return None


def _escaped(solution: str, place: int) -> bool:
    before = solution[:place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


@given(
    st.lists(st.sampled_from(["\\boxed{", "{", "}", "\\", "\\{", "\\}", "x", " "]), max_size=14).map("".join)
)
def test_agrees_with_trying_every_box(solution: str) -> None:
    assert last_boxed(solution) == _slow(solution)


def test_short_texts_all_agree() -> None:
    pieces = ["\\boxed{", "{", "}", "\\", "x"]
    for length in range(6):
        for chosen in product(pieces, repeat=length):
            assert last_boxed("".join(chosen)) == _slow("".join(chosen)), chosen


def test_thousands_of_open_boxes_take_no_time() -> None:
    assert last_boxed("\\boxed{" * 200_000) is None
