from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.document import DocumentFields


@pytest.mark.parametrize(
    ("task", "record", "expected"),
    [
        ("mine", {}, (None, ())),
        ("novelty_bench_base", {}, ("id", ("category",))),
        ("novelty_bench_wildchat", {"id_field": "id"}, ("id", ("category",))),
        ("mine", {"id_field": "name", "category_field": "topic"}, ("name", ("topic",))),
        ("mine", {"category_field": ["subject", "level"]}, (None, ("subject", "level"))),
        ("novelty_bench", {"category_field": "topic"}, ("id", ("topic",))),
    ],
)
def test_where_a_document_s_id_and_categories_are(
    task: str, record: dict[str, object], expected: tuple[str | None, tuple[str, ...]]
) -> None:
    fields = DocumentFields.of_task(task, record)
    assert (fields.id, fields.categories) == expected


def test_a_number_as_a_category_gets_the_field_s_name() -> None:
    fields = DocumentFields(categories=("subject", "level", "absent", "flag", "empty"))
    doc = {"subject": "Algebra", "level": 5, "flag": True, "empty": ""}
    assert fields.categories_of(doc) == ("Algebra", "level 5")
    assert fields.categories_of(None) == ()


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("plain", " 7/2 ", "7/2"),
        ("plain", 12, "12"),
        ("hashes", "First this, #### then that.\n#### 1,250", "1,250"),
        ("box", r"It is \boxed{3}, no, \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("label", "B", "B"),
        ("label", 2, "C"),
        ("label", 0, "A"),
    ],
)
def test_right_answers_in_every_form(form: str, value: object, expected: str) -> None:
    fields = DocumentFields.of_task(
        "t", {"answer_field": "a", "answer_form": form, "choices_field": "c" if form == "label" else None}
    )
    assert fields.reference_of({"a": value, "c": ["x", "y", "z"]}) == expected


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("plain", ""), ("plain", None), ("plain", ["7"]), ("hashes", "no marks"), ("hashes", "#### "),
        ("box", "no box"), ("box", r"\boxed{cut"), ("label", "D"), ("label", 3), ("label", -1),
        ("label", True), ("label", None),
    ],
)  # fmt: skip
def test_a_document_without_its_answer_is_an_error_that_names_the_field(form: str, value: object) -> None:
    fields = DocumentFields.of_task(
        "t", {"answer_field": "a", "answer_form": form, "choices_field": "c" if form == "label" else None}
    )
    with pytest.raises(DiversityEvalError, match=f"'a' holds no answer of the form '{form}'"):
        fields.reference_of({"a": value, "c": ["x", "y", "z"]})


def test_tasks_without_answers_have_none() -> None:
    assert DocumentFields().reference_of({"a": 1}) == ""
    assert DocumentFields().labels_of({"a": 1}) == ()


def test_labels_are_the_document_s_own_or_letters() -> None:
    fields = DocumentFields(choices="c")
    assert fields.labels_of({"c": ["x", "y"]}) == ("A", "B")
    assert fields.labels_of({"c": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}}) == ("1", "2", "3")
    broken: list[Any] = [None, "AB", [], ["only one"], {"text": ["x"]}, {"label": []}, ["x"] * 27]
    for wrong in broken:
        with pytest.raises(DiversityEvalError, match="no list of options"):
            fields.labels_of({"c": wrong})


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(DiversityEvalError, match="answer_form is 'roman'; expected one of plain, hashes"):
        DocumentFields.of_task("t", {"answer_field": "a", "answer_form": "roman"})
