"""Which answers to mathematical problems are right."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from diversity_eval.errors import DiversityEvalError
from diversity_eval.verifying.boxes import last_box, normalise_answer
from diversity_eval.verifying.pool import ComparisonPool
from diversity_eval.verifying.texts import equal_by_text, for_solver
from diversity_eval.verifying.worker import Outcome, compare
from diversity_eval.versions import versions_of

__all__ = ["LONGEST_ANSWER", "AnswerVerifier", "Status", "Verification"]

Status = Literal["right", "wrong", "missing", "unverifiable"]
"""`missing`: the response has no complete box. `unverifiable`: no decision, so neither right nor wrong."""

LONGEST_ANSWER = 2000
"""Characters. A longer answer is not parsed."""

_LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")
_MOST_WORKERS = 8
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found out about a response.

    Attributes:
        status: see `Status`.
        answer: the content of its last box after `normalise_answer`; None if it is missing.
        reason: why it is unverifiable; else empty.
    """

    status: Status
    answer: str | None
    reason: str = ""


class AnswerVerifier:
    r"""Compares answers by their mathematical value, which is math-verify's notion of it.

    An answer is the content of a response's last box (`last_box`). It equals the reference if they are the
    same text after `normalise_answer`, or if math-verify says so of `\boxed{reference}` and `\boxed{answer}`.
    All parsing is done in worker processes: what an answer makes hang or die is unverifiable, and the others
    go on. No pair of texts is asked twice in the life of a verifier.

    Use it as a context manager, or call `close`: it holds processes from the first comparison on.

    Args:
        workers: the number of processes; as many as there are cores, up to 8, if not said.
        time_limit: seconds for parsing and comparing one answer.
        memory_limit: bytes that this may take in a worker, beyond what the worker has when it begins.
            Enforced on Linux only.
        progress: whether to show a bar on stderr, if that is a terminal.

    Raises:
        DiversityEvalError: a limit or a number of workers that is not above 0.
    """

    _compare = staticmethod(compare)

    def __init__(
        self,
        *,
        workers: int | None = None,
        time_limit: float = 5.0,
        memory_limit: int = 2048 * _MIB,
        progress: bool = True,
    ) -> None:
        if workers is not None and workers < 1:
            raise DiversityEvalError(f"verifying: workers is {workers}; expected a number from 1")
        if not 0 < time_limit < float("inf"):
            raise DiversityEvalError(f"verifying: time_limit is {time_limit}; expected seconds above 0")
        if memory_limit < 64 * _MIB:
            raise DiversityEvalError(
                f"verifying: memory_limit is {memory_limit}; expected bytes, at least {64 * _MIB} (64 MiB)"
            )
        self._workers = workers or min(_cores(), _MOST_WORKERS)
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        self._progress = progress
        self._known: dict[tuple[str, str], Outcome] = {}
        self._pool = ComparisonPool(
            self._compare, workers=self._workers, time_limit=time_limit, memory_limit=memory_limit
        )

    def verify_all(self, problems: Sequence[tuple[str, Sequence[str]]]) -> list[list[Verification]]:
        """Verify the responses to many problems.

        Args:
            problems: per problem, the reference answer (LaTeX, not in a box) and the responses, in full.

        Returns:
            Per problem, what was found out about each response, in the same order.

        Raises:
            DiversityEvalError: an empty reference, or one text in the place of a list of responses; the
                workers can't be started.
        """
        answers: list[list[str | None]] = []
        pairs: list[tuple[str, str]] = []
        for number, (reference, responses) in enumerate(problems):
            if isinstance(responses, str):
                raise DiversityEvalError(
                    f"verifying: problem {number} has one text for its responses; expected a list"
                )
            expected = normalise_answer(reference)
            if not expected:
                raise DiversityEvalError(f"verifying: problem {number} has an empty reference answer")
            boxes = [normalise_answer(last_box(response) or "") or None for response in responses]
            answers.append(boxes)
            pairs += [(expected, answer) for answer in boxes if answer is not None]
        outcomes = iter(self._outcomes(pairs))
        return [
            [
                Verification("missing", None) if answer is None else _verification(answer, *next(outcomes))
                for answer in boxes
            ]
            for boxes in answers
        ]

    def equal_all(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        """Whether the two answers of each pair are equal; None if that is unverifiable.

        The first is taken as the reference: math-verify's equality is not symmetric where one is an equation
        and the other is not.
        """
        return [
            equal
            for equal, _ in self._outcomes([(normalise_answer(a), normalise_answer(b)) for a, b in pairs])
        ]

    def _outcomes(self, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
        found: dict[tuple[str, str], Outcome] = {}
        asked: dict[tuple[str, str], tuple[str, str]] = {}
        for pair in dict.fromkeys(pairs):
            outcome = _without_solver(*pair)
            if outcome is None:
                asked[pair] = for_solver(pair[0]), for_solver(pair[1])
            else:
                found[pair] = outcome
        new = [pair for pair in dict.fromkeys(asked.values()) if pair not in self._known]
        if new:
            self._ask(new)
        return [found[pair] if pair in found else self._known[asked[pair]] for pair in pairs]

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> None:
        from tqdm import tqdm

        unverifiable = 0
        with tqdm(
            total=len(pairs), desc="Verifying answers", unit="answer",
            disable=None if self._progress else True, smoothing=0.1,
        ) as bar:  # fmt: skip

            def tell(place: int, outcome: Outcome) -> None:
                nonlocal unverifiable
                self._known[pairs[place]] = outcome
                bar.update()
                if outcome[0] is None:
                    unverifiable += 1
                    bar.set_postfix(unverifiable=unverifiable, refresh=False)

            self._pool.compare_all(pairs, tell)

    def record(self) -> dict[str, Any]:
        """What the verdicts depend on: the versions of the libraries, and the limits."""
        return {
            "versions": versions_of(_LIBRARIES),
            "time_limit_s": self._time_limit,
            "memory_limit_bytes": self._memory_limit,
            "longest_answer": LONGEST_ANSWER,
        }

    def signature_fields(self) -> dict[str, str]:
        """The same for a signature."""
        versions = versions_of(_LIBRARIES)
        return {
            "verifier": f"math-verify-{versions.get('math-verify', 'none')}",
            "latex2sympy2-extended": versions.get("latex2sympy2-extended", "none"),
            "sympy": versions.get("sympy", "none"),
            "answer_time_limit": f"{self._time_limit:g}s",
            "answer_memory_limit": f"{self._memory_limit // _MIB}MiB",
        }

    def close(self) -> None:
        """End the worker processes. The verifier can be used again; then new ones start."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _without_solver(reference: str, answer: str) -> Outcome | None:
    if reference == answer:
        return True, ""
    if not reference or not answer:
        return False, ""
    if max(len(reference), len(answer)) > LONGEST_ANSWER:
        return None, f"longer than {LONGEST_ANSWER} characters"
    equal = equal_by_text(reference, answer)
    return None if equal is None else (equal, "")


def _verification(answer: str, equal: bool | None, reason: str) -> Verification:
    if equal is None:
        return Verification("unverifiable", answer, reason)
    return Verification("right" if equal else "wrong", answer)


def _cores() -> int:
    # In a container or a batch job these are fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
