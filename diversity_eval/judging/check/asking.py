"""Has a judge rate originals and degraded responses, in few calls, so that backends can batch."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diversity_eval.judging.backends import Backend, open_backend
from diversity_eval.judging.check.cases import Case
from diversity_eval.judging.check.degradations import DEGRADATIONS, degrade
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict

__all__ = ["SECOND_STORE", "STORE", "Answers", "ask", "ask_in_other_mode", "degraded_cases", "one_per_prompt"]

STORE = "verdicts.sqlite"
SECOND_STORE = "verdicts_second.sqlite"
"""Of the second time: the first store would answer instead of the judge."""

_Open = Callable[[JudgeConfig], Backend]


@dataclass(frozen=True)
class Answers:
    """What the judge said.

    Attributes:
        originals: a verdict for each case.
        second: the same, asked a second time in another order.
        degraded: by degradation and place of the case, the verdict on the degraded response.
        records: how the judge ran.
    """

    originals: Sequence[Verdict]
    second: Sequence[Verdict]
    degraded: Mapping[str, Mapping[int, Verdict]]
    records: Mapping[str, Any]


class _Borrowed:
    """A loaded judge that a second rater uses and does not unload."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        self._backend.judge(prompts, on_verdict)

    def signature_fields(self) -> dict[str, str]:
        """As the judge itself."""
        return self._backend.signature_fields()

    def record(self) -> dict[str, Any]:
        return self._backend.record()

    def close(self) -> None:
        pass


def one_per_prompt(cases: Sequence[Case], seed: int) -> list[int]:
    """For each prompt the place of one case, drawn among its responses that are not empty.

    One pair per prompt and degradation keeps the pairs independent, and the number of ratings small.
    """
    by_prompt: dict[tuple[str, str], list[int]] = {}
    for place, case in enumerate(cases):
        if case.response.strip():
            by_prompt.setdefault((case.kind, case.prompt), []).append(place)
    return sorted(
        random.Random(f"{seed}/{cases[places[0]].id}").choice(places) for places in by_prompt.values()
    )


def degraded_cases(cases: Sequence[Case], seed: int) -> dict[str, dict[int, str | None]]:
    """Every degradation of one case per prompt, by the case's place; None where it makes no difference."""
    chosen = one_per_prompt(cases, seed)
    pool = [cases[place] for place in chosen]
    return {
        name: {place: degrade(name, cases[place], pool, seed) for place in chosen} for name in DEGRADATIONS
    }


def ask(
    config: JudgeConfig,
    cases: Sequence[Case],
    degraded: Mapping[str, Mapping[int, str | None]],
    folder: Path,
    *,
    seed: int,
    open_with: _Open = open_backend,
    progress: bool = True,
) -> Answers:
    """Rate all originals and degraded responses, then the originals a second time.

    Args:
        config: the judge.
        cases: the originals.
        degraded: as `degraded_cases` gives them.
        folder: where the verdicts are kept; a second call asks only for what is missing.
        seed: of the order of the second time.
        open_with: loads the judge.
        progress: whether to show bars.

    Raises:
        DiversityEvalError: the judge cannot be loaded or reached.
    """
    changed = [
        (name, place, text)
        for name, texts in degraded.items()
        for place, text in texts.items()
        if text is not None
    ]
    originals = [Rating(case.kind, case.prompt, case.response) for case in cases]
    items = [
        *originals,
        *(Rating(cases[place].kind, cases[place].prompt, text) for _, place, text in changed),
    ]
    with ExitStack() as stack:
        rater = Rater(config, VerdictStore(folder / STORE), open_with=open_with, progress=progress)
        stack.callback(rater.close)
        verdicts = rater.rate(items)
        by_name: dict[str, dict[int, Verdict]] = {name: {} for name in degraded}
        for (name, place, _), verdict in zip(changed, verdicts[len(cases) :], strict=True):
            by_name[name][place] = verdict

        again = Rater(
            config,
            VerdictStore(folder / SECOND_STORE),
            open_with=lambda _: _Borrowed(rater.open()),
            progress=progress,
        )
        stack.callback(again.close)
        order = list(range(len(cases)))
        random.Random(seed).shuffle(order)
        second = dict(zip(order, again.rate([originals[place] for place in order]), strict=True))
        return Answers(
            originals=verdicts[: len(cases)],
            second=[second[place] for place in range(len(cases))],
            degraded=by_name,
            records={"first": rater.record(), "second": again.record()},
        )


def ask_in_other_mode(
    config: JudgeConfig,
    cases: Sequence[Case],
    folder: Path,
    *,
    open_with: _Open = open_backend,
    progress: bool = True,
) -> tuple[Sequence[Verdict], Mapping[str, Any]]:
    """Rate the originals in the mode that the judge is not set to; verdicts and how it ran.

    The judge is opened anew, since a backend is prepared for one mode; the first has been unloaded by then.
    """
    other = replace(config, mode="rate" if config.mode == "generate" else "generate")
    rater = Rater(other, VerdictStore(folder / STORE), open_with=open_with, progress=progress)
    try:
        verdicts = rater.rate([Rating(case.kind, case.prompt, case.response) for case in cases])
        return verdicts, rater.record()
    finally:
        rater.close()
