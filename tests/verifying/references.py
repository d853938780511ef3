"""The reference answers of MATH-500, Minerva and GSM8K as responses, as each other's, and changed by rule."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diversity_eval.verifying import AnswerVerifier, Status, last_box, normalise_answer
from tests.verifying.forms import FORMS

__all__ = ["Case", "Check", "Document", "boxed", "checks", "documents"]


@dataclass(frozen=True)
class Document:
    """A problem's name, its reference answer and its reference solution."""

    benchmark: str
    id: str
    reference: str
    response: str


@dataclass(frozen=True)
class Case:
    """One response to a document's problem; `label` says which."""

    document: Document
    label: str
    response: str


@dataclass(frozen=True)
class Check:
    """Cases that should all have the same status."""

    name: str
    status: Status
    cases: list[Case]

    def failures(self, verifier: AnswerVerifier) -> dict[tuple[str, str], str]:
        """The status of each case that has another one, by its document's id and its label."""
        found = verifier.verify_all([(case.document.reference, [case.response]) for case in self.cases])
        return {
            (case.document.id, case.label): one.status
            for case, [one] in zip(self.cases, found, strict=True)
            if one.status != self.status
        }


def documents(folder: Path) -> list[Document]:
    """All 2,091 problems. GSM8K's number is put into a box, Minerva's reference is what is in the box."""
    found = [
        Document("MATH-500", row["unique_id"], row["answer"], row["solution"])
        for row in _rows(folder / "math500.jsonl")
    ]
    for row in _rows(folder / "minerva_math.jsonl"):
        found.append(
            Document("Minerva", f"minerva/{row['idx']}", last_box(row["solution"]) or "", row["solution"])
        )
    for place, row in enumerate(_rows(folder / "gsm8k_test.jsonl")):
        reference = row["answer"].rpartition("####")[2].strip()
        found.append(Document("GSM8K", f"gsm8k/{place}", reference, row["answer"] + boxed(reference)))
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    return (json.loads(line) for line in path.read_text("utf-8").split("\n") if line)


def boxed(answer: str) -> str:
    return f" \\boxed{{{answer}}}"


def checks(given: Sequence[Document]) -> list[Check]:
    """Everything that has to be right, and everything that has to be wrong."""
    own = [Case(one, "own", one.response) for one in given]
    forms = [
        Case(one, name, boxed(other))
        for one in given
        for name, form in FORMS.items()
        if (other := form(one.reference)) is not None
    ]
    changed = [
        Case(one, "changed digit", boxed(other))
        for one in given
        if (other := _changed_digit(one.reference)) is not None
    ]
    return [
        Check("reference solution", "right", own),
        Check("other forms", "right", forms),
        Check("another problem's solution", "wrong", [_another(given, place) for place in range(len(given))]),
        Check("one digit changed", "wrong", changed),
    ]


def _another(given: Sequence[Document], place: int) -> Case:
    """The response of the next document of the same benchmark whose answer is another text."""
    document = given[place]
    own = normalise_answer(document.reference)
    for other in [*given[place + 1 :], *given[:place]]:
        if other.benchmark == document.benchmark and normalise_answer(other.reference) != own:
            return Case(document, other.id, other.response)
    raise AssertionError("all answers are the same")


def _changed_digit(answer: str) -> str | None:
    """The answer with 1 added to its last digit other than 0 and 9; None if there is none."""
    found = list(re.finditer(r"[1-8]", answer))
    if not found:
        return None
    place = found[-1].start()
    return f"{answer[:place]}{int(answer[place]) + 1}{answer[place + 1 :]}"
