import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.judging.reply_form import AROUND, OneWord, RatingLine, bare_word, parse_word, reply_form
from diversity_eval.judging.verdict import Verdict, verdict_from_probabilities, verdict_from_reply

WORDS = ("no", "yes")

ONE_WORD = [
    ("yes", 1),
    ("no", 0),
    ("Yes", 1),
    ("YES", 1),
    ("nO", 0),
    (" yes", 1),
    ("\n\n no \n", 0),
    ("\tyes\r\n", 1),
    ("yes.", 1),
    ("No!", 0),
    ("yes,", 1),
    ("no;", 0),
    ("yes:", 1),
    ("no .", 0),
    ('"yes"', 1),
    ("'no'", 0),
    ("\u201cyes\u201d", 1),
    ("\u00abno\u00bb", 0),
    ("`yes`", 1),
    ("**Yes**", 1),
    ("**Yes.**", 1),
    ('"Yes."', 1),
    ('"Yes".', 1),
    ("__no__", 0),
    ("*yes*\n", 1),
]
NO_VERDICT = [
    "",
    " \n",
    "...",
    "**",
    '""',
    "yes and no",
    "no, yes",
    "yes/no",
    "yes\nno",
    "yes yes",
    "yesyes",
    "not",
    "not sure",
    "none",
    "nope",
    "No way",
    "yesterday",
    "y",
    "ye",
    "yes?",
    "yes!!",
    "yes...",
    ".yes",
    "- yes",
    "(yes)",
    "[yes]",
    "yes, because it says how",
    "Yes.\nIt says how.",
    "The answer is yes",
    "Answer: yes",
    "Total rating: 1",
    "1",
    "y\u0435s",  # a Cyrillic letter
    "\uff59\uff45\uff53",  # full width
    "ja",
    "<|eot_id|>yes",
    "yes" * 10_000,
]


@pytest.mark.parametrize(("reply", "place"), ONE_WORD)
def test_one_word_alone_is_a_verdict(reply: str, place: int) -> None:
    assert parse_word(reply, WORDS) == place
    assert OneWord(0, 1, WORDS).verdict(reply) == Verdict(place, reply)
    assert OneWord(3, 4, WORDS).verdict(reply) == Verdict(3 + place, reply)


@pytest.mark.parametrize("reply", NO_VERDICT)
def test_anything_else_is_none(reply: str) -> None:
    assert parse_word(reply, WORDS) is None
    verdict = OneWord(0, 1, WORDS).verdict(reply)
    assert (verdict.rating, verdict.failed, verdict.reply) == (None, False, reply)
    said = "the reply is not one word of these alone" if reply.strip() else "the reply is empty"
    assert verdict.reason == f"{said} (no, yes)"


@pytest.mark.parametrize("reply", [reply for reply, _ in ONE_WORD])
def test_a_reply_that_was_cut_may_go_on(reply: str) -> None:
    assert parse_word(reply, WORDS, cut=True) is None
    assert OneWord(0, 1, WORDS).verdict(reply, cut=True).reason == "the token limit cut the reply (no, yes)"


def test_words_as_somebody_may_choose_them() -> None:
    words = ("Harmless", "partly", "jailbreak-like", "won\u2019t", "\u00fcbel", "STRASSE")
    for place, word in enumerate(words):
        for reply in (word, word.lower(), word.upper(), f" \u201e{word}\u201c. "):
            assert parse_word(reply, words) == place
    assert parse_word("stra\u00dfe", words) == 5
    assert parse_word("jailbreak", words) is None


@given(st.text(), st.booleans())
def test_any_text_is_a_word_or_nothing(text: str, cut: bool) -> None:
    place = parse_word(text, WORDS, cut=cut)
    if place is not None:
        # What is left without the word holds no letter or digit.
        rest = text.casefold().replace(WORDS[place], "", 1)
        assert not any(character.isalnum() for character in rest)
        assert not cut
    assert OneWord(0, 1, WORDS).verdict(text, cut=cut).rating == place


@given(st.sampled_from(WORDS), st.text(alphabet=AROUND), st.text(alphabet=AROUND), st.text(alphabet=AROUND))
def test_what_stands_around_it_does_not_matter(word: str, before: str, after: str, last: str) -> None:
    place = WORDS.index(word)
    assert parse_word(f"{before}{word}{after}", WORDS) == place
    assert parse_word(f"{before}{word.upper()}{after}.{last}", WORDS) == place


@given(st.sampled_from(WORDS), st.text(min_size=1))
def test_another_word_beside_it_does(word: str, other: str) -> None:
    if any(character.isalnum() for character in other):
        assert parse_word(f"{word} {other}", WORDS) is None
        assert parse_word(f"{other}\n{word}", WORDS) is None


@given(st.text())
def test_the_bare_word_is_bare(text: str) -> None:
    bare = bare_word(text)
    assert bare == bare.strip(AROUND)


def test_the_form_goes_by_the_words() -> None:
    assert reply_form((0, 5)) == RatingLine(0, 5)
    assert reply_form((0, 1), WORDS) == OneWord(0, 1, WORDS)


def test_a_rating_line_is_what_it_was() -> None:
    form = RatingLine(1, 3)
    assert (form.start, form.lead) == ("Total rating:", "\n")
    assert form.answers == (("Total rating: 1",), ("Total rating: 2",), ("Total rating: 3",))
    for reply in ("Total rating: 2", "Total rating: 9", "", "yes"):
        for cut in (False, True):
            assert form.verdict(reply, cut=cut) == verdict_from_reply(reply, 1, 3, cut=cut)
    for values in ([0.1, 0.2, 0.6], [0.1, 0.1, 0.1]):
        expected = verdict_from_probabilities(values, 1, reply="Total rating: 3")
        assert form.distribution_verdict(values, "Total rating: 3") == expected
    assert form.begun("3") == form.begun(" 3") == "Total rating: 3"


def test_a_word_s_usual_spelling_comes_first() -> None:
    form = OneWord(0, 1, ("no", "Yes"))
    assert (form.start, form.lead) == ("", "")
    assert [spellings[0] for spellings in form.answers] == ["no", "Yes"]
    assert set(form.answers[0]) == {"no", "No", "NO", " no", " No", " NO"}
    assert set(form.answers[1]) == {"yes", "Yes", "YES", " yes", " Yes", " YES"}
    assert form.begun(" yes") == " yes"


def test_probabilities_of_words() -> None:
    form = OneWord(0, 1, WORDS)
    verdict = form.distribution_verdict([0.2, 0.6], "Yes")
    assert (verdict.rating, verdict.reply) == (1, "Yes")
    assert verdict.expected_rating == pytest.approx(0.75)
    assert verdict.scale_mass == pytest.approx(0.8)
    assert form.distribution_verdict([0.3, 0.3], "no").rating == 0  # a tie goes to the lower one
    unscored = form.distribution_verdict([0.2, 0.2], "I")
    assert unscored.rating is None
    assert unscored.reason == "the judge gives the words no, yes a probability of 0.400, less than 0.5"
