"""Coverage of many problems: which responses give the right answer, and what that is worth over k samples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from diversity_eval.metrics.coverage import curve_points, majority_vote, pass_at_k
from diversity_eval.scoring.family import Names, PromptResponses, known_categories
from diversity_eval.verifying import Verification

__all__ = ["COVERAGE_COUNTS", "CoverageScorer", "Verifier"]

ANSWERS_MISSING = "answers_missing"
"""The number of responses without an answer in a box."""
ANSWERS_UNVERIFIABLE = "answers_unverifiable"
"""The number of answers that could not be compared: they crashed the comparison, or took it too long."""

COVERAGE_COUNTS = frozenset({ANSWERS_MISSING, ANSWERS_UNVERIFIABLE})
"""Results that are sums over prompts."""


class Verifier(Protocol):
    """Says which answers are right (`verifying.AnswerVerifier`)."""

    def verify_all(self, problems: Sequence[tuple[str, Sequence[str]]]) -> list[list[Verification]]:
        """What each response is, by problem: (reference, responses)."""

    def equal_all(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        """Whether two answers are one value; None where that could not be found out."""

    def signature_fields(self) -> dict[str, str]:
        """What a verdict depends on."""


class CoverageScorer:
    """Coverage, success rate, the curve of pass@k between them, and majority vote."""

    def __init__(self, verifier: Verifier, *, largest_k: int, categories: Sequence[str] = ()) -> None:
        """Say what is measured.

        Args:
            verifier: says which answers are right.
            largest_k: the k of coverage; the curve goes there in powers of two. A prompt with fewer responses
                has no coverage.
            categories: those of the prompts, for coverage and success rate by category.
        """
        self.verifier = verifier
        self._largest = largest_k
        self._points = curve_points(largest_k)
        self._categories = known_categories(categories)
        self._found: dict[PromptResponses, list[Verification]] = {}
        self._votes: dict[PromptResponses, list[int | None]] = {}

    @property
    def names(self) -> Names:
        """Metrics, counts and signature fields."""
        curve = {f"pass_at_{k}": True for k in self._points}
        of_k = {"pass_at": str(self._largest)}
        return Names(
            main={"coverage": True, "success_rate": True, "majority_vote": True, **curve},
            counts=(ANSWERS_MISSING, ANSWERS_UNVERIFIABLE),
            categories=self._categories,
            apart=("coverage", "success_rate"),
            parameters={
                "": {"answer": "last box", **self.verifier.signature_fields()},
                "coverage": of_k,
                **{f"pass_at_{k}": {"pass_at": str(k)} for k in self._points},
            },
        )

    def judge_all(self, prompts: Sequence[PromptResponses]) -> None:
        """Verify the answers in the responses to every prompt, all of them together."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._found]
        found = self.verifier.verify_all([(prompt.reference, prompt.responses) for prompt in new])
        self._found |= zip(new, found, strict=True)
        self._votes |= self._vote(new)

    def values(self, prompt: PromptResponses) -> dict[str, float]:
        """The prompt's metrics and counts.

        An answer that is missing or unverifiable is not right, but counted: means are lower bounds where
        there are any.
        """
        found = self._found[prompt]
        statuses = Counter(verification.status for verification in found)
        n, c = len(found), statuses["right"]
        curve = {f"pass_at_{k}": pass_at_k(n, c, k) for k in self._points}
        values = {
            "coverage": pass_at_k(n, c, self._largest),
            "success_rate": c / n,
            "majority_vote": majority_vote(self._votes[prompt], {0}),
            **curve,
            ANSWERS_MISSING: float(statuses["missing"]),
            ANSWERS_UNVERIFIABLE: float(statuses["unverifiable"]),
        }
        return self.names.with_categories(values, prompt)

    def notes(self, prompt: PromptResponses) -> dict[str, Any]:
        """Every response's answer and what it is; why, where it could not be verified."""
        found = self._found[prompt]
        notes: dict[str, Any] = {
            "answers": [verification.answer for verification in found],
            "verdicts": [verification.status for verification in found],
        }
        reasons = [
            {"response": index, "reason": verification.reason}
            for index, verification in enumerate(found)
            if verification.status == "unverifiable"
        ]
        return {**notes, "unverifiable": reasons} if reasons else notes

    def _vote(self, prompts: Sequence[PromptResponses]) -> dict[PromptResponses, list[int | None]]:
        """Each response's class of equal answers; 0 is the right one, None where there is no answer.

        Wrong answers are compared with one another only where it matters: where all of them together could
        outvote the right ones, and differently written ones could be one.
        """
        wrong = {prompt: _wrong_answers(self._found[prompt]) for prompt in prompts}
        open_ = {
            prompt: [(one, other) for place, one in enumerate(texts) for other in list(texts)[place + 1 :]]
            for prompt, texts in wrong.items()
            if _undecided(self._found[prompt], texts)
        }
        pairs = [pair for some in open_.values() for pair in some]
        same = dict(zip(pairs, self.verifier.equal_all(pairs), strict=True)) if pairs else {}
        return {
            prompt: _classes(self._found[prompt], wrong[prompt], same if prompt in open_ else {})
            for prompt in prompts
        }


def _wrong_answers(found: Sequence[Verification]) -> Counter[str]:
    """How often each wrong answer was given, as it is written; unverifiable ones are such answers too."""
    return Counter(v.answer for v in found if v.status in ("wrong", "unverifiable") and v.answer is not None)


def _undecided(found: Sequence[Verification], wrong: Counter[str]) -> bool:
    right = sum(v.status == "right" for v in found)
    return 0 < right <= wrong.total() and len(wrong) > 1 and max(wrong.values()) <= right


def _classes(
    found: Sequence[Verification],
    wrong: Counter[str],
    same: Mapping[tuple[str, str], bool | None],
) -> list[int | None]:
    representative: dict[str, str] = {}
    for text in wrong:
        first = next((r for r in dict.fromkeys(representative.values()) if same.get((r, text))), text)
        representative[text] = first
    numbers = {text: number for number, text in enumerate(dict.fromkeys(representative.values()), 1)}
    return [
        0
        if v.status == "right"
        else numbers[representative[v.answer]]
        if v.answer is not None and v.answer in representative
        else None
        for v in found
    ]
