from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diversity_eval.verifying.texts import equal_by_text, for_solver


@pytest.mark.parametrize(
    ("reference", "answer", "equal"),
    [
        ("5", "5", True),
        ("5", "6", False),
        ("5", "-5", False),
        ("5", "+5", True),
        ("5", "5.0", True),
        ("5", "5.", True),
        ("5", "05", True),
        (".5", "0.5", True),
        ("1000", "1,000", True),
        ("1000", "1{,}000", True),
        ("1000", "1,\\!000", True),
        ("1000", "1\\,000", True),
        ("1234567", "1 234 567", True),
        ("1234567", "1,234 567", None),
        ("1000", "1,00", None),
        ("1000", "10,000", False),
        ("18", "\\$18", True),
        ("-18", "-\\$18.00", True),
        ("1.5e3", "1500", True),
        ("1.5e3", "1.5 \\times 10^{3}", True),
        ("1.5E+3", "15 \\cdot 10^2", True),
        ("1.5e-3", "1.5*10^(-3)", True),
        ("1.5e-3", "1.5 \\times 10^{−3}", True),
        ("1.5e3", "1.5 \\times 10^{4}", False),
        ("2e5", "2 \\times 10^12", None),
        ("6e-34", "7e-34", False),
        ("0.0000001", "0.0000002", False),
        ("1e9999", "1e9998", False),
        ("0.333333", "0.3333333333", True),
        ("0.333", "0.3333333333", False),
        ("1.0", "1.00001", False),
        ("1", "1.0000001", False),
        ("5", "5 \\text{ cm}", True),
        ("5", "5~\\mathrm{~cm}^2", True),
        ("5 \\text{ cm}", "6 \\text{ cm}", False),
        ("5", "5\\%", None),
        ("0.05", "5 \\text{ percent}", None),
        ("5", "5 \\text{ million}", None),
        ("5", "5 \\text{ or }", None),
        ("5", "5\\mathrm{i}", None),
        ("90", "90^\\circ", True),
        ("90^{\\circ}", "90°", True),
        ("5", "x = 5", True),
        ("x = 5", "5", True),
        ("x=5", "x = 5.0", True),
        ("x=5", "y=5", None),
        ("x=5", "y=6", None),
        ("5", "\\not=5", None),
        ("5", "\\neq=5", None),
        ("x", "\\not=x", None),
        ("5", "\\theta=5", True),
        ("5", "\\mathbf{5}", True),
        ("5", "\\text{6}", False),
        ("12_8", "12_{8}", True),
        ("12_8", "12_9", False),
        ("12_{8}", "13_{8}", False),
        ("A1_{16}", "A1_16", True),
        ("12_8", "12", None),
        ("\\frac{1}{2}", "0.5", True),
        ("\\frac{1}{3}", "0.333333", True),
        ("\\frac{1}{3}", "0.333", False),
        ("-\\frac{6}{4}", "-3/2", True),
        ("\\frac{-3}{2}", "-\\dfrac{3}{2}", True),
        ("\\frac{4}{2}", "2", True),
        ("\\frac{1}{0}", "1", None),
        ("2e-5", "1/50000", True),
        ("1\\frac{1}{2}", "1.5", None),
        ("x = \\frac{1}{2}", "1/2", True),
        ("\\frac{1}{2}", "\\dfrac{1}{2}", True),
        ("\\frac{1}{2}", "\\frac{1}{3}", False),
        ("\\left( 1, 2 \\right)", "(1,2)", True),
        ("x^2", "x^{2}", True),
        ("e^{2 i t}", "e^{2i t}", True),
        ("2 3", "23", None),
        ("\\pi r", "\\pir", None),
        ("\\leftarrow", "arrow", None),
        ("a \\\\ b", "a b", None),
        ("x + 1.", "x+1", True),
        ("1, 2, \\ldots", "1,2,\\ldots", True),
        ("1, 2, ...", "1, 2, ..", None),
        ("\\text{north}", "\\text{south}", None),
    ],
)
def test_by_hand(reference: str, answer: str, equal: bool | None) -> None:
    assert equal_by_text(reference, answer) is equal
    assert equal_by_text(answer, reference) is equal


@given(st.decimals(-(10**12), 10**12, places=4), st.integers(-30, 30))
def test_a_number_has_its_value_in_all_forms(mantissa: Decimal, power: int) -> None:
    expected = f"{mantissa.scaleb(power):f}"
    for form in (f"{mantissa:f}e{power}", f"{mantissa:f} \\times 10^{{{power}}}", f"w = {expected}"):
        assert equal_by_text(expected, form) is True
    assert equal_by_text(f"{mantissa + 1:f}", f"{mantissa:f}") is False


@given(st.text(alphabet="0123456789.,-+eE\\ {}()^x=/*$tcm", max_size=25))
def test_whatever_the_texts_are_nothing_is_raised_and_a_text_equals_itself(text: str) -> None:
    assert equal_by_text(text, text) is True
    assert equal_by_text("5", text) in (True, False, None)
    assert isinstance(for_solver(text), str)


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("1.5e3", "1500"),
        ("1e-5", "0.00001"),
        ("1\\,000 \\text{ m}", "1000"),
        ("1e60", "1e60"),
        ("x = 1e3", "x = 1e3"),
        ("\\frac{1}{2}.", "\\frac{1}{2}"),
        ("-1./3", "-1/3"),
        ("1.\\overline{3}", "1.\\overline{3}"),
        ("5\\%", "5\\%"),
    ],
)
def test_what_the_solver_gets(text: str, better: str) -> None:
    assert for_solver(text) == better


@pytest.mark.parametrize(
    ("reference", "answer", "equal"),
    [
        ("5r^5", "w = 5r^5", True),
        ("5r^5", "w=5 r^5", True),
        ("5r^5", "\\alpha = 5r^5", True),
        ("5r^5", "w = 5r^6", None),
        ("v = 5r^5", "w = 5r^5", None),
        ("5r^5", "w = v = 5r^5", None),
        ("r < 5", "w = r < 5", None),
        ("5r^5", "2w = 5r^5", None),
    ],
)
def test_an_answer_may_assign_what_the_reference_says(
    reference: str, answer: str, equal: bool | None
) -> None:
    assert equal_by_text(reference, answer) is equal
