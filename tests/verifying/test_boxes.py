import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.verifying import last_box, normalise_answer

PIECES = st.lists(
    st.sampled_from(
        [
            "\\boxed",
            "\\fbox",
            "{",
            "}",
            "\\{",
            "\\}",
            "\\",
            "5",
            "x",
            " ",
            "\n",
            "$",
            "\\frac",
            "-",
            ".",
            "form",
        ]
    ),
    max_size=30,
).map("".join)
BALANCED = st.recursive(
    st.sampled_from(["5", "x", "\\{", "\\}", "\\pi", " + ", "\\\\", "é"]),
    lambda inner: st.lists(inner, max_size=4).map("".join) | inner.map(lambda text: "{" + text + "}"),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("it is \\boxed{5}.", "5"),
        ("first \\boxed{4}, then \\boxed{5}", "5"),
        ("\\fbox{5}", "5"),
        ("\\boxed{4} or rather \\fbox{5}", "5"),
        ("\\boxed {5}", "5"),
        ("\\boxed\n{ 5 }", "5"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\left\\{ 1, 2 \\right\\}}", "\\left\\{ 1, 2 \\right\\}"),
        ("\\boxed{[0, 1\\}}", "[0, 1\\}"),
        ("\\boxed{1 \\\\{2}}", "1 \\\\{2}"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("\\boxed{x = \\boxed{5}}", "5"),
        ("\\boxed{x = \\boxed{5}", "5"),
        ("\\boxed{x = \\fbox{5} + 1}", "5"),
        ("no box", None),
        ("", None),
        ("\\boxed", None),
        ("\\boxed{}", None),
        ("\\boxed{4}, put into \\boxed{ \n }", None),
        ("\\boxed{4} and \\boxed{5", None),
        ("\\boxed{4} and \\boxed{\\frac{1}{2}", None),
        ("\\boxed{4} and \\boxed{", None),
        ("\\boxed{5\\}", None),
        ("\\boxedness{5}", None),
        ("\\boxed 5", "5"),
        ("\\boxed5", "5"),
        ("$\\boxed12$ and so on", "12"),
        ("\\boxed -0.5.", "-0.5"),
        ("\\boxed .5", ".5"),
        ("\\boxed 1,234,567, I think", "1,234,567"),
        ("\\boxed 1,2", "1"),
        ("\\boxed\\frac{1}{2}$", "\\frac{1}{2}"),
        ("\\boxed\\frac12$", "\\frac12"),
        ("\\boxed\\sqrt{2} + 1", "\\sqrt{2}"),
        ("$\\boxed\\pi$", "\\pi"),
        ("\\boxed\\frac{1}{2", None),
        ("$\\boxed x$", "x"),
        ("\\boxed x", "x"),
        ("\\boxed{5}, put into \\boxed form", "5"),
        ("\\boxed{5}, as a \\boxed number", "5"),
        ("\\boxed{5}, as in \\boxed", "5"),
        ("\\boxed{5} in \\boxed\\end{align}", "5"),
        ("\\(\\boxed{5}\\) in \\(\\boxed\\)", "5"),
    ],
)
def test_the_last_box(text: str, content: str | None) -> None:
    assert last_box(text) == content


@given(PIECES)
def test_a_content_is_never_empty_and_stands_in_the_text(text: str) -> None:
    content = last_box(text)
    assert content is None or (content and content == content.strip() and content in text)


@given(st.text(alphabet="ab5 $.,\n{}"), BALANCED, st.text(alphabet="ab5 $.,\n"))
def test_what_is_put_into_a_box_comes_out_of_it(before: str, content: str, after: str) -> None:
    assert last_box(f"{before}\\boxed{{{content}}}{after}") == (content.strip() or None)


@given(PIECES, BALANCED)
def test_only_the_last_box_counts(before: str, content: str) -> None:
    end = f" \\boxed{{{content}}}"
    assert last_box(before + end) == last_box(end)


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "{",
        "}",
        "\\boxed",
        "\\boxed ",
        "\\boxed\\frac{",
        "\\boxed{}",
        "\\fbox\\frac{1}",
        "\\",
        "$",
        " ",
    ],
)
@pytest.mark.parametrize(
    "frame", ["{}", "\\boxed{{{}", "{}\\boxed{{5}}", "\\boxed{{5}} {} \\boxed form", "${}$"]
)
def test_the_time_is_linear(piece: str, frame: str) -> None:
    seconds = []
    for length in (50_000, 500_000):
        text = frame.format(piece * (length // len(piece)))
        begin = time.thread_time()
        last_box(text)
        normalise_answer(text)
        seconds.append(time.thread_time() - begin)
    # Quadratic time would be 100 times as long, and more than a minute.
    assert seconds[1] < max(40 * seconds[0], 0.2)
    assert seconds[1] < 3


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("5", "5"),
        (" 5\n", "5"),
        ("$5$", "5"),
        ("$$ 5 $$", "5"),
        ("\\(5\\)", "5"),
        ("\\[ 5 \\]", "5"),
        ("\\( $5$ \\)", "5"),
        ("$a$ and $b$", "$a$ and $b$"),
        ("\\(a\\), \\(b\\)", "\\(a\\), \\(b\\)"),
        ("\\$5", "\\$5"),
        ("$5\\$", "$5\\$"),
        ("\\[5\\] \\[6\\]", "\\[5\\] \\[6\\]"),
        ("$", "$"),
        ("$$", ""),
        ("a\nb", "a b"),
        ("\u0661\u0662", "12"),
        ("\uff15.\uff10", "5.0"),
        ("\u0967x\u00b2", "1x\u00b2"),
        ("\u2460", "\u2460"),
        # what can't be seen, and the forms that East Asian text has of the same characters
        ("\u200b5\u2060\ufeff", "5"),
        ("$5$\u200b", "5"),
        ("1\u20632", "1\u20632"),  # an invisible comma
        ("\uff08\uff0d1\uff0c\uff58\uff1d\uff12\uff09", "(-1,x=2)"),
        ("\uff5b5\uff5d\uff3c\uff04", "\uff5b5\uff5d\uff3c\uff04"),  # they would be LaTeX's
        ("", ""),
    ],
)
def test_normal_answers(text: str, normal: str) -> None:
    assert normalise_answer(text) == normal


@given(st.text() | st.text(alphabet="$\\()[] 5x") | st.text(alphabet=st.characters(categories=["Nd"])))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise_answer(text)
    assert normalise_answer(once) == once
    assert once == once.strip()
    assert all(unicodedata.category(c) != "Nd" or c in "0123456789" for c in once)


@given(st.integers(0, 10**30), st.sampled_from("٠۰०௦0𝟎"))
def test_numbers_keep_their_value_whatever_their_script(number: int, zero: str) -> None:
    other = "".join(chr(ord(zero) + int(digit)) for digit in str(number))
    assert normalise_answer(f"$ {other} $") == str(number)
