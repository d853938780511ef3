import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.verdict import (
    LEAST_SCALE_MASS,
    REPLY_START,
    Verdict,
    failed_verdict,
    parse_rating,
    verdict_from_probabilities,
    verdict_from_reply,
)


@pytest.mark.parametrize(
    "reply",
    [
        "Total rating: 4",
        "total rating: 4",
        "TOTAL RATING: 4",
        "ToTaL rAtInG: 4",
        "  Total rating: 4  ",
        "Total rating:4",
        "Total rating : 4",
        "Total  rating:   4",
        "Total\trating:\t4",
        "Total\nrating:\n4",
        "Total rating:\n\n4",
        "Total rating: 4\r\n",
        "**Total rating: 4**",
        "**Total rating:** 4",
        "**Total rating**: 4",
        "Total rating: **4**",
        "__Total rating__: __4__",
        "*Total* *rating*: *4*",
        "***Total rating: 4***",
        "`Total rating: 4`",
        "```\nTotal rating: 4\n```",
        "~~Total rating:~~ 4",
        "# Total rating: 4",
        "> Total rating: 4",
        "- Total rating: 4",
        "| Total rating: 4 |",
        "|Total rating: 4|",
        '"Total rating: 4"',
        "(Total rating: 4)",
        "[Total rating: 4]",
        "\u201cTotal rating: 4\u201d",
        "Total rating: 4.",
        "Total rating: 4!",
        "Total rating: **4**.",
        "Total rating: 4, since it breaks off.",
        "Total rating: 4; good.",
        "Total rating: 4 because the plot holds.",
        "Total rating: 4\u2014a good one",
        "Total rating: 4 - a good one",
        "Total rating: 4 (very good)",
        "Total rating: 4. 2 points are missing.",
        "Total rating: 4\n- 2 points off for the ending",
        "Total rating: 4\n5 would be seamless.",
        "Total rating: 4\nor 5",
        "Total rating: 4</s>",
        "Total rating: 4<|eot_id|>",
        "My grade is Total rating: 4",
        "Grade:Total rating: 4",
        "Total rating: 4\n\n<response>\nTotal\u00b7rating: 5\n</response>",
    ],
)
def test_case_space_emphasis_and_what_stands_around_do_not_matter(reply: str) -> None:
    assert parse_rating(reply) == 4


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " ",
        "4",
        "rating: 4",
        "Total: 4",
        "Rating total: 4",
        "Totalrating: 4",
        "Total_rating: 4",
        "Total-rating: 4",
        "Total\u00b7rating: 4",
        "Subtotal rating: 4",
        "4total rating: 4",
        "Total ratings: 4",
        "Total rating 4",
        "Total rating = 4",
        "Total rating:",
        "Total rating: N",
        "Total rating: four",
        "Total rating: IV",
        "Total rating: x4",
        "Total rating: <4>",
        "Total rating: (4)",
        "Total rating: = 4",
        "Total (rating): 4",
        # other numbers than a whole one
        "Total rating: 4.5",
        "Total rating: 4,5",
        "Total rating: 4.0",
        "Total rating: **4.5**",
        "Total rating: **4**.5",
        "Total rating: 4.**5**",
        "Total rating: 4 **.5**",
        "Total rating: 4\u00bd",
        "Total rating: 4 \u00bd",
        "Total rating: 4 1/2",
        "Total rating: 4e0",
        "Total rating: 4%",
        "Total rating: 4th",
        "Total rating: 4x",
        "Total rating: 4_5",
        "Total rating: 4'5",
        "Total rating: 4\u00b2",
        "Total rating: 4\u0665",
        "Total rating: 4.\u0665",
        # fractions, ranges, choices
        "Total rating: 4/5",
        "Total rating: **4**/5",
        "Total rating: 4./5",
        "Total rating: 4 / 5",
        "Total rating: 4 /5",
        "Total rating: 4\u20445",
        "Total rating: 4 \u2044 5",
        "Total rating: 4 of 5",
        "Total rating: 4 out of 5",
        "Total rating: 4-5",
        "Total rating: 4 - 5",
        "Total rating: 4\u20135",
        "Total rating: 4 \u2014 5",
        "Total rating: 4..5",
        "Total rating: 4...5",
        "Total rating: 4~5",
        "Total rating: 4 or 5",
        "Total rating: 4 or **5**",
        "Total rating: 4 **or** 5",
        "Total rating: **4** or **5**",
        "Total rating: 4 to 5",
        "Total rating: 4 and 5",
        "Total rating: 4 + 1",
        "Total rating: 4+1",
        "Total rating: 4 5",
        "Total rating: 4:5",
        # signs and zeros
        "Total rating: -4",
        "Total rating: +4",
        "Total rating: - 4",
        "Total rating: \u22124",
        "Total rating: 04",
        "Total rating: 00",
        "Total rating: 00004",
        # off the scale
        "Total rating: 6",
        "Total rating: 10",
        "Total rating: 44",
        "Total rating: 4444444444",
        "Total rating: 40000000004",
        # other scripts and look-alikes
        "Total rating: \u0664",
        "Total rating: \u06f4",
        "Total rating: \u096a",
        "Total rating: \uff14",
        "Total rating: \u2074",
        "Total rating: \u2463",
        "Total rating: \U0001d7d2",
        "Total rating\uff1a 4",
        "Total rating\u2236 4",
        "Total\u00a0rating: 4",
        "Total rating:\u00a04",
        "Total\u200brating: 4",
        "T\u043etal rating: 4",
        "Total rat\u0131ng: 4",
        "Total RAT\u0130NG: 4",
        "Total rating: \u200b4",
        "Total rating: 4\x00",
        "Total\x00rating: 4",
    ],
)
def test_anything_else_is_no_verdict(reply: str) -> None:
    assert parse_rating(reply) is None


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Total rating: 1\nTotal rating: 4", 4),
        ("Total rating: 4\nTotal rating: 1", 1),
        ("Total rating: 4, Total rating: 1.", 1),
        ("Total rating: 3\nTotal rating: 9", 3),
        ("Total rating: 3\nTotal rating: 4.5", 3),
        ("Total rating: 3\nTotal rating: N", 3),
        ("Total rating: 3\nTotal rating:", 3),
        ("Total rating: Total rating: 3", 3),
        ("Total Total rating: 3", 3),
        ("Total rating: 8 Total rating: 2 Total rating: 7", 2),
    ],
)
def test_the_last_valid_verdict_wins(reply: str, rating: int) -> None:
    assert parse_rating(reply) == rating


def test_the_scale_is_inclusive_and_may_be_another() -> None:
    assert [parse_rating(f"Total rating: {n}") for n in range(7)] == [0, 1, 2, 3, 4, 5, None]
    found = [parse_rating(f"Total rating: {n}", 1, 10) for n in (0, 1, 9, 10, 11)]
    assert found == [None, 1, 9, 10, None]
    assert parse_rating("Total rating: 100", 0, 100) == 100
    assert parse_rating("Total rating: 010", 0, 100) is None


emphasis = st.sampled_from(["", "*", "**", "***", "_", "__", "`", "~~", "**_"])
space = st.text(st.sampled_from(" \t\n\r"), max_size=3)
gap = st.tuples(emphasis, space, emphasis).map("".join)
# Reaches the template's neighbourhood, never the template: there is no `t`.
noise = st.lists(
    st.sampled_from(
        ["o", "al", "ra", "ing:", " ", "\n", ":", "5", "0", "*", "_", ".", "/", "<", ">", "\u00e9", "\x00"]
    )
    | st.characters(exclude_characters="tT"),
    max_size=20,
).map("".join)


@st.composite
def templates(draw: st.DrawFn, rating: st.SearchStrategy[object]) -> str:
    words = [
        "".join(draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in word)
        for word in ("total", "rating")
    ]
    between = draw(emphasis) + draw(st.sampled_from(" \t\n")) + draw(gap)
    around = draw(emphasis)
    return f"{around}{words[0]}{between}{words[1]}{draw(gap)}:{draw(gap)}{draw(rating)}{around}"


@given(noise, templates(st.integers(0, 5).map(str)), noise)
def test_a_valid_verdict_in_any_noise_is_found(before: str, verdict: str, after: str) -> None:
    expected = int(re.findall("[0-9]", verdict)[-1])
    assert parse_rating(f"{before}\n{verdict}\n{after}") == expected
    assert parse_rating(f"{before} {verdict}.") == expected
    assert verdict_from_reply(f"{before}\n{verdict}", 0, 5) == Verdict(expected, f"{before}\n{verdict}")


@given(st.lists(st.tuples(noise, st.integers(0, 12)), min_size=1, max_size=5), noise)
def test_of_several_the_last_on_the_scale_wins(parts: list[tuple[str, int]], after: str) -> None:
    reply = "".join(f"{before}\nTotal rating: {number}\n" for before, number in parts) + after
    valid = [number for _, number in parts if number <= 5]
    assert parse_rating(reply) == (valid[-1] if valid else None)


@given(noise, noise)
def test_noise_without_a_template_has_no_rating(before: str, after: str) -> None:
    assert parse_rating(before) is None
    assert parse_rating(f"{before}total{after}") is None


wrong_numbers = (
    st.integers(6, 10**30).map(str)
    | st.integers(0, 5).map(lambda n: f"0{n}")
    | st.integers(0, 5).map(lambda n: f"-{n}")
    | st.tuples(st.integers(0, 5), st.sampled_from([".", ",", "/", "-", ":", "e", " / ", " or ", " - ", " "]),
                st.integers(0, 99)).map(lambda parts: "".join(map(str, parts)))
    | st.characters(categories=["Nd", "Nl", "No"], exclude_characters="0123456789")
)  # fmt: skip


@given(noise, templates(wrong_numbers), noise)
def test_a_number_that_is_not_on_the_scale_is_none(before: str, verdict: str, after: str) -> None:
    assert parse_rating(f"{before}\n{verdict}\n{after}") is None


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    rating = parse_rating(text)
    assert rating is None or 0 <= rating <= 5


def test_a_reply_without_a_rating_is_unscored_with_the_reason() -> None:
    for reply, said in (("", "is empty"), (" \n", "is empty"), ("I cannot say.", "no valid rating")):
        verdict = verdict_from_reply(reply, 1, 7)
        assert verdict.rating is None
        assert verdict.reply == reply
        assert said in verdict.reason
        assert "Total rating: N, N from 1 to 7" in verdict.reason
        assert not verdict.failed
    rated = verdict_from_reply("Total rating: 7", 1, 7)
    assert rated == Verdict(7, "Total rating: 7")
    assert (rated.reason, rated.failed, rated.expected_rating, rated.probabilities) == ("", False, None, None)


def test_a_failure_is_not_final() -> None:
    verdict = failed_verdict("HTTP 503 ten times", "<html>")
    assert verdict == Verdict(None, "<html>", "HTTP 503 ten times", failed=True)


def test_the_start_of_the_reply_fits_the_parser() -> None:
    assert parse_rating(f"{REPLY_START} 3") == 3


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda ps: sum(ps) > 1e-3),
    st.floats(0.5, 1),
    st.integers(0, 3),
)
def test_a_distribution_agrees_with_numpy(weights: list[float], mass: float, lowest: int) -> None:
    given_ = np.array(weights) / np.sum(weights) * mass
    given_ *= max(1.0, LEAST_SCALE_MASS / math.fsum(given_) * (1 + 1e-12))
    verdict = verdict_from_probabilities(given_.tolist(), lowest, reply="Total rating: 1")
    p = given_ / given_.sum()
    scale = np.arange(lowest, lowest + len(p))
    assert verdict.rating == scale[np.argmax(given_)]
    assert verdict.expected_rating == pytest.approx(float(p @ scale))
    assert verdict.entropy == pytest.approx(float(-sum(x * np.log(x) for x in p if x > 0)), abs=1e-12)
    assert verdict.scale_mass == pytest.approx(float(given_.sum()))
    assert verdict.probabilities == pytest.approx(tuple(p))
    assert (verdict.reply, verdict.reason, verdict.failed) == ("Total rating: 1", "", False)


def test_a_distribution_worked_by_hand() -> None:
    verdict = verdict_from_probabilities([0.1, 0.0, 0.0, 0.3, 0.0, 0.4], 0)
    # mass 0.8; scaled 1/8, 3/8, 4/8; mean 9/8 + 20/8
    assert verdict.rating == 5
    assert verdict.scale_mass == pytest.approx(0.8)
    assert verdict.expected_rating == pytest.approx(3.625)
    assert verdict.entropy == pytest.approx(0.125 * math.log(8) + 0.375 * math.log(8 / 3) + 0.5 * math.log(2))
    assert verdict.probabilities == pytest.approx((0.125, 0, 0, 0.375, 0, 0.5))


def test_the_bounds_of_the_entropy() -> None:
    even = verdict_from_probabilities([1 / 6] * 6, 0)
    assert even.entropy == pytest.approx(math.log(6))
    assert even.expected_rating == pytest.approx(2.5)
    certain = verdict_from_probabilities([0, 0, 0, 1.0, 0, 0], 0)
    assert (certain.rating, certain.entropy, certain.expected_rating) == (3, 0.0, 3.0)
    assert str(certain.entropy) == "0.0"  # not -0.0


@pytest.mark.parametrize(
    ("probabilities", "rating"),
    [([0.5, 0.5], 0), ([0.2, 0.4, 0.4], 1), ([0.4, 0.2, 0.4], 0), ([0.25] * 4, 0), ([0.1, 0.45, 0.45], 1)],
)
def test_of_equally_likely_ratings_the_lower_is_taken(probabilities: list[float], rating: int) -> None:
    assert verdict_from_probabilities(probabilities, 0).rating == rating
    assert verdict_from_probabilities(probabilities, 3).rating == rating + 3


def test_less_than_half_of_the_mass_is_no_rating() -> None:
    half = verdict_from_probabilities([0.25, 0.0, 0.25], 0)
    assert (half.rating, half.scale_mass, half.expected_rating) == (0, 0.5, 1.0)
    below = verdict_from_probabilities([0.25, 0.0, 0.2499], 0, reply="I", what="one of 0 to 2")
    assert below.rating is None
    assert below.scale_mass == pytest.approx(0.4999)
    assert (below.expected_rating, below.entropy, below.probabilities) == (None, None, None)
    assert below.reply == "I"
    assert "one of 0 to 2" in below.reason
    assert not below.failed
    nothing = verdict_from_probabilities([0.0] * 6, 0)
    assert (nothing.rating, nothing.scale_mass) == (None, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_probability_is_no_rating(bad: float) -> None:
    verdict = verdict_from_probabilities([0.1, bad, 0.9], 0)
    assert verdict.rating is None
    assert verdict.scale_mass is None
    assert verdict.reason


@pytest.mark.parametrize("reply", ["Total rating: 1", "Fine.\n**Total rating:** 4"])
def test_a_number_at_the_end_of_a_reply_that_was_cut_is_no_verdict(reply: str) -> None:
    """It may have been the beginning of 10, or of 4.5."""
    assert parse_rating(reply) is not None
    assert parse_rating(reply, cut=True) is None
    assert verdict_from_reply(reply, 0, 5, cut=True).rating is None
    assert parse_rating(f"{reply}\nbecause", cut=True) is not None
    assert parse_rating("Total rating: 2\nTotal rating: 4", cut=True) == 2
