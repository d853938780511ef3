import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.errors import DiversityEvalError
from diversity_eval.metrics.choice import choice_metrics, extract_label
from tests.metrics.nasty_text import nasty_text

LETTERS = "ABCDE"
NUMBERS = "1234"

B = [
    "Answer: B",
    "answer: B",
    "ANSWER: B",
    "Answer:B",
    "Answer :  B",
    "Answer:\n\nB",
    "  Answer: B  \r\n",
    "Final answer: B",
    "So, all in all, the correct answer: B",
    "Answer: b",
    "answer : b",
    "Answer: B.",
    "Answer: B!",
    "Answer: B,",
    "Answer: B。",
    "Answer: B…",
    # emphasis, quotation marks, brackets
    "**Answer:** B",
    "**Answer**: B",
    "**Answer: B**",
    "Answer: **B**",
    "**Answer:** (B)",
    "__Answer:__ _B_",
    "Answer: `B`",
    "Answer: ** B **",
    "### Answer: B",
    "> Answer: B",
    "| Answer: B |",
    "| Answer | \nAnswer: B | text",
    "(Answer: B)",
    "[Answer]: [B]",
    "Answer: ( B )",
    "Answer: {B}",
    'Answer: "B".',
    "Answer: 'B'",
    "Answer: “B”",
    "Answer: «B»",
    "Answer: 「B」",
    '{"Answer": "B"}',
    "Answer: **(B)** text",
    # LaTeX
    "Answer: $B$",
    r"Answer: \boxed{B}",
    r"Answer: \text{B}",
    r"Answer: $\boxed{\text{B}}$.",
    r"Answer: \(B\)",
    r"Answer: \[ B \]",
    r"Answer: \mathbf{B}",
    # other forms of the same characters, and what cannot be seen
    "Answer：B",
    "Ａｎｓｗｅｒ：Ｂ",
    "Answer: Ⓑ",
    "Answer: 𝐁",
    "Answer: （B）",
    "Answer:\u00a0B",
    "\ufeffAnswer: \u200bB\u200b",
    # more text
    "Answer: B Photosynthesis",
    "Answer: B photosynthesis",
    "Answer: B) text",
    "Answer: (B)text",
    "Answer: **B**text",
    "Answer: B. text",
    "Answer: B.text",
    "Answer: B: text",
    "Answer: B - text",
    "Answer: B — text",
    "Answer: B—text",
    "Answer: B- text",
    "Answer: B; text",
    "Answer: B (Text)",
    "Answer: B **Text**",
    'Answer: B "text"',
    "Answer: B 光合作用",
    "Answer: B 5 metres",
    "Answer: B, because it floats",
    "Answer: B is right",
    "Answer: B ✅",
    "Answer: B<|end|>",
    "Answer: B </s>",
    "Answer: B\nC",
    "Answer: B. A stone",
    "Answer: B. A",  # an article that the token limit cut off
    "Answer: B) I do",
    "Answer: B A stone",
    "Answer: B, A stone",
    "Answer: B. E-mail",
    "Answer: B. C is wrong",
    "Answer: B) A and C",  # the option's text
    "Answer: B. E = 5",
    "Answer: B: A + C",
    "Answer: B. Both A and C",
    "Answer: B) $20",  # sums of money and formulas
    "Answer: (B) $20,000 loss",
    "Answer: **B** $20",
    "Answer: B $20",
    "Answer: (B) $x + 1$",
    "Answer: (B) \\frac{5}{12}",
    "Answer: B) \\sqrt{2}",
    "Answer: (B) $\\frac{1}{2}$",
    "Answer: $B$) $20",
    "Answer: B. A\u0301gua",
    "Answer: B, B",
    "Answer: B. B",
    # several verdicts
    "Answer: A\nAnswer: B",
    "Answer: A or C. No. Answer: B",
    "Answer: Answer: B",
    "Answer: B\nAnswer:",
    "Answer: B\nAnswer: ...\nAnswer:",
    "Answer: B\n\n**Answer:** ...",
    "A, C or D? Answer: B",
]


@pytest.mark.parametrize("text", B)
def test_one_label(text: str) -> None:
    assert extract_label(text, LETTERS) == "B"


NOTHING = [
    "",
    "B",
    "(B)",
    "The answer is B",
    "The answer is: B",
    "Answer B",
    "Answer - B",
    "Answers: B",
    "AnswerKey: B",
    "Answer Key: B",
    "MyAnswer: B",
    "my_answer: B",
    "non-answer: B",
    "2answer: B",
    "Answer:",
    "Answer: ",
    "Answer: **",
    "Answer: F",
    "Answer: X",
    "Answer: Because",
    "Answer: Both",
    "Answer: b4",
    "Answer: B4",
    "Answer: B_1",
    "Answer: B-cell",
    "Answer: B's",
    "Answer: D’accord",
    "Answer: C++",
    "Answer: C#",
    "Answer: D.C. area",
    "Answer: e.g. a stone",
    "Answer: B = 4",
    "Answer: B < 5",
    "Answer: B -> text",
    "Answer: B°",
    "Answer: B.5",
    "Answer: B\u0301",
    "Answer: A\u0301gua",
    "Answer: Ágata",
    "Answer: В",  # a Cyrillic letter
    "Answer: -B",
    "Answer: $B",
    "Answer: B$",
    "Answer: option B",
    "Answer: The answer is B",
    "Answer: none of B",
    # the article
    "Answer: A dog",
    "Answer: a dog",
    "Answer: A 5 kg stone",
    "Answer: A $20 note",
    # more than one
    "Answer: A or B",
    "Answer: A OR B",
    "Answer: B or none",
    "Answer: A/B",
    "Answer: A / B",
    "Answer: (B) / none",
    "Answer: A, B",
    "Answer: A,B",
    "Answer: A, B, or C",
    "Answer: B, A or C",
    "Answer: B to A to C",
    "Answer: B, C and D",
    "Answer: A and B",
    "Answer: AB",
    "Answer: A B",
    "Answer: A B C",
    "Answer: B, C are both right",
    "Answer: B|C",
    "Answer: A & C",
    "Answer: B&C",
    "Answer: A + B",
    "Answer: A; B",
    "Answer: A、B",
    "Answer: A-C",
    "Answer: A - C",
    "Answer: B to D",
    "Answer: B vs C",
    "Answer: B > C",
    "Answer: (A) (B)",
    "Answer: (A), (B)",
    "Answer: (A or B)",
    "Answer: A) B) C)",
    "Answer: A. B. C.",
    "Answer: A.B.C",
    "Answer: B. C",
    "Answer: B (C)",
    "Answer: **A** **B**",
    "Answer: **A** or **B**",
    "Answer: b, c",
    "Answer: B, B, C",
    "Answer: either A",
    "Answer: either A or B",
    r"Answer: (A) \text{ or } (B)",
    r"Answer: $A \text{ or } B$",
    r"Answer: $A$ \lor $B$",
    r"Answer: (A) \vee (B)",
    r"Answer: (A) \ none",
    "Answer: $B) 20",
    # the last one with text decides
    "Answer: B\nAnswer: A or B",
    "Answer: B\nAnswer: Because of that",
    "Answer: B\nMy answer: see above",
]


@pytest.mark.parametrize("text", NOTHING)
def test_no_label_or_not_just_one(text: str) -> None:
    assert extract_label(text, LETTERS) is None


@pytest.mark.parametrize("word", ["is", "because", "since", "only"])
def test_words_that_no_article_and_no_quantity_has_behind_it(word: str) -> None:
    assert extract_label(f"Answer: A {word} right", LETTERS) == "A"
    assert extract_label(f"Answer: 3 {word} right", NUMBERS) == "3"
    assert extract_label(f"Answer: A {word}n right", LETTERS) is None


@pytest.mark.parametrize(
    "text", ["A", "a", "A Dog", "A. dog", "A: a dog", "(A) dog", "**A** dog", "A, a dog", "A 狗"]
)
def test_an_a_that_is_set_off_or_has_a_capital_behind_it_is_no_article(text: str) -> None:
    assert extract_label(f"Answer: {text}", LETTERS) == "A"


@pytest.mark.parametrize(
    "said",
    ["2", "2.", "(2)", "**2**", '"2"', "$2$", r"\boxed{2}", "２", "٢", "२", "②", "𝟐", "2\ufe0f\u20e3",
     "2 Text", "2. text", "2) text", "2: text", "2 - text", "2 (text)", "2. 3", "(2) 3", "2. 3 stones",
     "2\n3"],
)  # fmt: skip
def test_numbers_as_labels(said: str) -> None:
    assert extract_label(f"Answer: {said}", NUMBERS) == "2"


@pytest.mark.parametrize(
    "said",
    ["3.5", "10", "12", "22", "-1", "+1", "− 1", "1/2", "1 / 2", "½", "1⁄2", "0", "5", "1,000", "1, 2",
     "1 000", "1 2", "1:30", "1-3", "1 - 3", "1–3", "2%", "2 %", "2 ×", "3 °C", "3℃", "$2", "2$", "2^3",
     "2**3", "2*3", "(2)3", "2nd", "2x", "2 grams", "2 of 4", "2 or 3", "2 to 3", "2.a", "2.5.", "2 = 2",
     "2 > 1", "2–7", "2—7", "2->7", "(2) (3)", "2) 3)", "two", "II", "2 2 3", "٢٫٥", "٢٢", "1 + 1", "1 $20"],
)  # fmt: skip
def test_numbers_that_are_no_label(said: str) -> None:
    assert extract_label(f"Answer: {said}", NUMBERS) is None


def test_roman_numerals() -> None:
    numerals = ["I", "II", "III", "IV"]
    assert [extract_label(f"Answer: {x}.", numerals) for x in (*numerals, "ii", "Ⅳ")] == [
        *numerals,
        "II",
        "IV",
    ]
    assert extract_label("Answer: I think so", numerals) is None
    assert extract_label("Answer: I'm not sure", numerals) is None
    assert extract_label("Answer: II. I think so", numerals) == "II"
    assert extract_label("Answer: I and II", numerals) is None


def test_labels_are_given_back_as_they_came() -> None:
    assert extract_label("Answer: B", ["a", "b"]) == "b"
    assert extract_label("Answer: b", ["a", "b"]) == "b"
    assert extract_label("Answer: B", ["Ａ", "Ｂ"]) == "Ｂ"
    assert extract_label("Answer: 2", ["١", "٢"]) == "٢"
    assert extract_label("Answer: (2)", ("(1)", "(2)")) is None  # brackets are no part of a label
    assert extract_label("Answer: a) text", ["a)", "b)"]) == "a)"


def test_the_next_verdict_is_not_read_as_text() -> None:
    assert extract_label("Answer: A answer:", LETTERS) == "A"
    assert extract_label("Answer: A answer: B", LETTERS) == "B"


def test_letter_case_counts_where_both_cases_are_labels() -> None:
    assert extract_label("Answer: yes", ["Yes", "yES"]) is None
    both = ["A", "a", "B"]
    assert [extract_label(f"Answer: {x}", both) for x in "AaBb"] == ["A", "a", "B", "B"]


def test_longer_labels_go_first() -> None:
    assert extract_label("Answer: 10", ["1", "10"]) == "10"
    assert extract_label("Answer: 1", ["1", "10"]) == "1"
    assert extract_label("Answer: AB", ["A", "B", "AB"]) == "AB"
    assert extract_label("Answer: yes.", ["Yes", "No"]) == "Yes"
    assert extract_label("Answer: Yes or no", ["Yes", "No"]) is None
    assert extract_label("Answer: None", ["Yes", "No"]) is None
    assert extract_label("Answer: A+", ["A", "A+"]) == "A+"
    assert extract_label("Answer: .*", ["A", "B"]) is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "at least one label"),
        (["A", ""], "not empty, but got ''"),
        (["A", " \n"], "not empty"),
        (["A", "\u200b"], "not empty"),
        (["A", "B", "A"], "'A' and 'A' are the same"),
        (["A", "Ａ"], "'A' and 'Ａ' are the same"),
        (["1", "١"], "are the same"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(DiversityEvalError, match=message):
        extract_label("Answer: A", labels)


# Properties

DECORATIONS = [
    "{}", "({})", "[{}]", "{}.", "**{}**", "*{}*", "`{}`", '"{}"', "“{}”", "${}$", r"\boxed{{{}}}",
    r"\text{{{}}}", "{}) text", "{}. text", "{}: text", "{} - text", "({}) text", "**{}.** text", "{}\ntext",
    "{} Text", ]  # fmt: skip
VERDICTS = ["Answer: {}", "**Answer:** {}", "answer :{}", "ANSWER:\n{}", "Answer：{}", "_Answer_: {}"]
before = (nasty_text | st.just("Answer: A or B")).map(lambda text: text + "\n")


@given(
    st.sampled_from(["ABCDE", "ABC", "1234", "123", "abcde", "FGHJ"]).flatmap(
        lambda labels: st.tuples(st.just(labels), st.sampled_from(labels))
    ),
    st.sampled_from(DECORATIONS),
    st.sampled_from(VERDICTS),
    before,
)
def test_every_label_is_read_in_every_decoration(
    named: tuple[str, str], decoration: str, verdict: str, text: str
) -> None:
    labels, label = named
    assert extract_label(text + verdict.format(decoration.format(label)), labels) == label


separators = st.sampled_from(
    [" or ", "/", ", ", ",", " and ", " & ", "|", " | ", "; ", " ", "-", " to ", ") (", "+"]
)


@given(st.permutations(LETTERS), separators, st.integers(2, 5), st.sampled_from(DECORATIONS[:8]))
def test_two_or_more_labels_are_none(order: list[str], separator: str, count: int, decoration: str) -> None:
    soup = separator.join(order[:count])
    whole = "({})" if separator == ") (" else decoration
    assert extract_label("Answer: " + whole.format(soup), LETTERS) is None


alphabet = st.sampled_from(
    [*"ABCDEabIi1234509 \n\r\t\u2028.,:;!?-–—/|&+()[]{}<>$*_`~\"'’“”\\=%°", "Answer:", "answer", " or ",
     " and ", "\\boxed{", "\\text{", "\u0301", "\u200b", "٢", "Ａ", "½", "is", "dog", "✅", "İ", "ſ", "ǅ"]
)  # fmt: skip


@given(
    st.lists(alphabet, max_size=25).map("".join) | nasty_text,
    st.sampled_from([LETTERS, NUMBERS, "aA", ["A", "AB", "10"], ["Ⅳ", "ß", "İ", "ǅ"], ["(a)", ".*", "\\"]]),
)
def test_whatever_the_text_one_of_the_labels_or_none(text: str, labels: list[str]) -> None:
    for said in (text, "Answer:" + text, "Answer: A" + text, "Answer: 2" + text):
        found = extract_label(said, labels)
        assert found is None or found in labels


@given(nasty_text.filter(lambda text: ":" not in text and "：" not in text))
def test_without_a_colon_there_is_no_label(text: str) -> None:
    assert extract_label(text + " answer B", LETTERS) is None


@pytest.mark.parametrize(
    "unit",
    ["Answer:", "Answer: ", "answer", "Answer ", "Answer*", "Answer: A or B\n", "Answer: B", "*", " ", "\n",
     "(", "$", "\\boxed{", "\u0301", "\u0327\u0301", "\ufdfa", "Answer: \u0301", "．", "\u200b", "A ", "B, ",
     "\\", "'", ". ", "|"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["before", "behind", "between", "label"])
def test_hostile_text_takes_no_more_than_linear_time(unit: str, place: str) -> None:
    run = unit * (100_000 // len(unit))
    text = {
        "before": run + "\nAnswer: B",
        "behind": "Answer: B" + run,
        "between": "Answer" + run + ": B",
        "label": "Answer:" + run + "B",
    }[place]
    started = time.thread_time()
    extract_label(text, LETTERS)
    assert time.thread_time() - started < 1.0


# What a response is worth


def test_metrics_of_one_response() -> None:
    assert choice_metrics("B", "B") == {"accuracy": 1.0, "unparsed": 0.0}
    assert choice_metrics("A", "B") == {"accuracy": 0.0, "unparsed": 0.0}
    assert choice_metrics(None, "B") == {"accuracy": 0.0, "unparsed": 1.0}
    assert all(type(value) is float for value in choice_metrics("B", "B").values())
