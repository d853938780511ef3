"""A whole check: ask the judge, then measure what it sees, where on the scale it is, if it repeats itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends import Backend, open_backend
from diversity_eval.judging.check.asking import Answers, ask, ask_in_other_mode, degraded_cases
from diversity_eval.judging.check.cases import Case
from diversity_eval.judging.check.degradations import DEGRADATIONS
from diversity_eval.judging.check.measures import (
    Agreement,
    Comparison,
    Position,
    Repetition,
    agreement,
    compare,
    expected_ratings,
    position,
    ratings,
    repetition,
)
from diversity_eval.judging.check.readings import Reading, read_comparison, read_cut
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict

__all__ = ["Check", "DegradationResult", "KindResult", "add_other_mode", "measure", "run_check"]


@dataclass(frozen=True)
class DegradationResult:
    """What a judge makes of one degradation.

    Attributes:
        name: a key of `DEGRADATIONS`.
        built: pairs that were to be rated.
        left_out: responses that the degradation would not change, or that are too short for it.
        unscored: pairs in which a rating is missing.
        rating: by rating, which is what `quality` is the mean of.
        expected: by expected rating, `quality_expected`; None without distributions.
        reading: in a word, by rating.
        expected_reading: by expected rating; None without distributions.
    """

    name: str
    built: int
    left_out: int
    unscored: int
    rating: Comparison
    expected: Comparison | None
    reading: Reading
    expected_reading: Reading | None


@dataclass(frozen=True)
class KindResult:
    """All measures on the cases of one kind of task, which share a rubric.

    Attributes:
        kind: of task.
        signature: the judge's.
        prompts: how many different ones.
        position: of the originals on the scale.
        degradations: in the order of `DEGRADATIONS`.
        repetition: asked a second time.
        modes: `generate` (first) and `rate` (second); None if the other mode was not asked.
        human: human ratings (first) and ratings (second); None without any.
        human_expected: human ratings and expected ratings; None without either.
    """

    kind: str
    signature: str
    prompts: int
    position: Position
    degradations: Sequence[DegradationResult]
    repetition: Repetition
    modes: Agreement | None = None
    human: Agreement | None = None
    human_expected: Agreement | None = None


@dataclass(frozen=True)
class Check:
    """A finished check.

    Attributes:
        config: the judge.
        seed: of everything that is drawn.
        cases: the originals.
        answers: what the judge said.
        kinds: the measures.
        records: how the judge ran, each time.
        other_mode: verdicts on the originals in the other mode; None if it was not asked.
    """

    config: JudgeConfig
    seed: int
    cases: Sequence[Case]
    answers: Answers
    kinds: Sequence[KindResult]
    records: Mapping[str, Any]
    other_mode: Sequence[Verdict] | None = None

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts that were asked for."""
        degraded = [v for by_place in self.answers.degraded.values() for v in by_place.values()]
        return [*self.answers.originals, *self.answers.second, *degraded, *(self.other_mode or ())]


def run_check(
    config: JudgeConfig,
    cases: Sequence[Case],
    folder: Path,
    *,
    seed: int = 0,
    open_with: Callable[[JudgeConfig], Backend] = open_backend,
    progress: bool = True,
) -> Check:
    """Check a judge in the mode it is set to.

    Args:
        config: the judge.
        cases: real responses, with ids that differ.
        folder: where verdicts are kept; an interrupted check goes on from there.
        seed: of everything that is drawn.
        open_with: loads the judge.
        progress: whether to show bars.

    Raises:
        DiversityEvalError: no cases, a kind without a rubric, a judge that cannot be loaded or reached.
    """
    if not cases:
        raise DiversityEvalError("judge-check has no responses to check the judge with")
    for kind in {case.kind for case in cases}:
        config.rubric(kind)
    degraded = degraded_cases(cases, seed)
    answers = ask(config, cases, degraded, folder, seed=seed, open_with=open_with, progress=progress)
    kinds = [
        measure(config, kind, cases, degraded, answers, seed=seed)
        for kind in dict.fromkeys(case.kind for case in cases)
    ]
    return Check(config, seed, cases, answers, kinds, answers.records)


def add_other_mode(
    check: Check,
    folder: Path,
    *,
    open_with: Callable[[JudgeConfig], Backend] = open_backend,
    progress: bool = True,
) -> Check:
    """The check, with the agreement between the judge's two modes.

    Raises DiversityEvalError if the judge cannot be loaded, or asked, in the other mode.
    """
    config = check.config
    verdicts, record = ask_in_other_mode(config, check.cases, folder, open_with=open_with, progress=progress)
    kinds = []
    for result in check.kinds:
        places = [place for place, case in enumerate(check.cases) if case.kind == result.kind]
        own = ratings([check.answers.originals[place] for place in places])
        other = ratings([verdicts[place] for place in places])
        first, second = (own, other) if config.mode == "generate" else (other, own)
        prompts = [check.cases[place].prompt for place in places]
        modes = agreement(first, second, prompts, config.lowest, config.highest, seed=check.seed)
        kinds.append(replace(result, modes=modes))
    return replace(check, kinds=kinds, other_mode=verdicts, records={**check.records, "other_mode": record})


def measure(
    config: JudgeConfig,
    kind: str,
    cases: Sequence[Case],
    degraded: Mapping[str, Mapping[int, str | None]],
    answers: Answers,
    *,
    seed: int,
) -> KindResult:
    """All measures on the cases of one kind.

    Args:
        config: the judge.
        kind: of task.
        cases: all cases.
        degraded: as `degraded_cases` gives them.
        answers: what the judge said.
        seed: of bootstraps and tests.
    """
    places = [place for place, case in enumerate(cases) if case.kind == kind]
    prompts = [cases[place].prompt for place in places]
    originals = [answers.originals[place] for place in places]
    human = [cases[place].human for place in places]
    rated = any(value is not None for value in human)
    scale = (config.lowest, config.highest)
    return KindResult(
        kind=kind,
        signature=config.signature(kind),
        prompts=len(set(prompts)),
        position=position(originals, prompts, *scale, seed=seed),
        degradations=[
            _degradation(name, kind, config, cases, degraded[name], answers, seed) for name in DEGRADATIONS
        ],
        repetition=repetition(originals, [answers.second[place] for place in places], prompts, seed=seed),
        human=agreement(human, ratings(originals), prompts, *scale, seed=seed) if rated else None,
        human_expected=(
            agreement(human, expected_ratings(originals), prompts, *scale, seed=seed)
            if rated and config.mode == "rate"
            else None
        ),
    )


def _degradation(
    name: str,
    kind: str,
    config: JudgeConfig,
    cases: Sequence[Case],
    texts: Mapping[int, str | None],
    answers: Answers,
    seed: int,
) -> DegradationResult:
    own = [place for place in texts if cases[place].kind == kind]
    built = [place for place in own if texts[place] is not None]
    before = [answers.originals[place] for place in built]
    after = [answers.degraded[name][place] for place in built]
    rating = compare(ratings(before), ratings(after), seed=seed)
    expected = None
    if config.mode == "rate":
        expected = compare(expected_ratings(before), expected_ratings(after), seed=seed)
    read = read_comparison if DEGRADATIONS[name].costs else read_cut
    width = config.highest - config.lowest
    return DegradationResult(
        name=name,
        built=len(built),
        left_out=len(own) - len(built),
        unscored=len(built) - rating.pairs,
        rating=rating,
        expected=expected,
        reading=read(rating, width),
        expected_reading=read(expected, width) if expected is not None else None,
    )
