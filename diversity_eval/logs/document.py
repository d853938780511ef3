"""What a task's documents hold beside the prompt: their names, categories, right answers and options."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from diversity_eval.errors import DiversityEvalError
from diversity_eval.verifying.boxes import last_box

__all__ = ["AnswerForm", "DocumentFields"]

AnswerForm = Literal["plain", "hashes", "box", "label"]
"""How a document's field holds the right answer: as it is; behind the last `####`; in the last box; as an
option's label or place."""

_NAMING = {"novelty_bench": ("id", "category")}


@dataclass(frozen=True)
class DocumentFields:
    """Which fields of a task's documents hold what; None or empty where there is none.

    Attributes:
        id: the document's own name.
        categories: what values are given apart for.
        answer: the right answer.
        answer_form: how it stands there.
        choices: the options: a list of texts, or a mapping with `text` and `label`.
    """

    id: str | None = None
    categories: tuple[str, ...] = ()
    answer: str | None = None
    answer_form: AnswerForm = "plain"
    choices: str | None = None

    @classmethod
    def of_task(cls, task: str, record: Mapping[str, Any]) -> "DocumentFields":
        """The fields of a task.

        Args:
            task: its name, which decides where the record says nothing.
            record: `metadata.diversity_eval` of its configuration: `id_field`, `category_field` (a name or a
                list), `answer_field`, `answer_form`, `choices_field`.

        Raises:
            DiversityEvalError: an answer form that there is not.
        """
        by_name = next((fields for name, fields in _NAMING.items() if task.startswith(name)), (None, None))
        categories = record.get("category_field") or by_name[1] or []
        form: Any = record.get("answer_form") or "plain"
        if form not in get_args(AnswerForm):
            raise DiversityEvalError(
                f"{task}: answer_form is {form!r}; expected one of {', '.join(get_args(AnswerForm))}"
            )
        return cls(
            id=_name(record.get("id_field")) or by_name[0],
            categories=tuple(map(str, categories if isinstance(categories, list) else [categories])),
            answer=_name(record.get("answer_field")),
            answer_form=form,
            choices=_name(record.get("choices_field")),
        )

    def identity_of(self, doc: Any) -> str | int | float | None:
        """The document's own name; None where it has none."""
        value = _value(doc, self.id)
        usable = isinstance(value, str | int | float) and not isinstance(value, bool)
        return value if usable and value != "" and value == value else None

    def categories_of(self, doc: Any) -> tuple[str, ...]:
        """The document's categories; a whole number gets the field's name in front: `level 5`."""
        found = []
        for name in self.categories:
            value = _value(doc, name)
            if isinstance(value, int) and not isinstance(value, bool):
                found.append(f"{name} {value}")
            elif isinstance(value, str) and value:
                found.append(value)
        return tuple(found)

    def reference_of(self, doc: Any) -> str:
        """The right answer; empty where the task has none.

        Raises DiversityEvalError if the document does not hold it in the form that the task says.
        """
        if self.answer is None:
            return ""
        value = _value(doc, self.answer)
        found: str | None = None
        if self.answer_form == "label":
            found = _label(value, self.labels_of(doc))
        elif isinstance(value, str | int | float):
            text = str(value)
            if self.answer_form == "plain":
                found = text.strip()
            elif self.answer_form == "box":
                found = last_box(text)
            else:
                _, marks, behind = text.rpartition("####")
                found = behind.strip() if marks else None
        if not found:
            raise DiversityEvalError(
                f"the document's field {self.answer!r} holds no answer of the form {self.answer_form!r}"
            )
        return found

    def labels_of(self, doc: Any) -> tuple[str, ...]:
        """The labels of the options, A, B, C, ... where the document gives none; empty without options.

        Raises DiversityEvalError for options in another form.
        """
        if self.choices is None:
            return ()
        value = _value(doc, self.choices)
        labels = value.get("label") if isinstance(value, dict) else None
        if isinstance(labels, list) and labels:
            return tuple(map(str, labels))
        if isinstance(value, list) and 1 < len(value) <= len(string.ascii_uppercase):
            return tuple(string.ascii_uppercase[: len(value)])
        raise DiversityEvalError(
            f"the document's field {self.choices!r} is no list of options, and no mapping with `label`"
        )


def _label(value: Any, labels: tuple[str, ...]) -> str | None:
    """The label itself, or the one at the place that a number says, from 0."""
    if isinstance(value, int) and not isinstance(value, bool):
        return labels[value] if 0 <= value < len(labels) else None
    return value if value in labels else None


def _value(doc: Any, field: str | None) -> Any:
    return doc.get(field) if isinstance(doc, Mapping) and field is not None else None


def _name(value: Any) -> str | None:
    return str(value) if value else None
