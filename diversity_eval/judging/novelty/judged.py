"""Metric version 1.1: a language model sees all responses to a prompt at once, and groups and scores them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends import Backend, open_backend
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.novelty.config import ClassifierConfig
from diversity_eval.judging.novelty.items import Answer, NoveltyResult
from diversity_eval.judging.novelty.judges import FORMATS, GROUPS, SCORES, set_judges
from diversity_eval.judging.novelty.replies import ReplyError, read_groups, read_scores
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict
from diversity_eval.metrics.novelty import PATIENCE, UNKNOWN

__all__ = ["JudgedNovelty"]


@dataclass(frozen=True)
class _Shown:
    """The responses to one prompt as the judge sees them: each text once, in order of first appearance."""

    prompt: str
    texts: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> "_Shown":
        """Texts that differ in white space at their ends only are one text; so are empty ones."""
        order: dict[str, int] = {}
        places = tuple(order.setdefault(answer.response.strip(), len(order)) for answer in answers)
        return cls(answers[0].prompt if answers else "", tuple(order), places)

    def question(self, kind: str) -> Rating:
        return Rating(kind, self.prompt, "", responses=self.texts)


@dataclass(frozen=True)
class _Read:
    """A number for each text, or why there is none."""

    numbers: tuple[int, ...] | None
    reason: str = ""


class JudgedNovelty:
    """The partition and the scores of metric version 1.1, by a judge of one's choice. See `NoveltyMetric`.

    A judge is asked two things about each prompt: which of the responses say the same, and what each of them
    is worth, from 1 to 10. Equal texts are one: each different text is shown once, with a number, and its
    class and score go to every response that has it; where there is only one, no grouping is asked for. All
    scores are kept, also of responses that open no class.

    A reply that is no partition of the responses leaves the prompt's classes unknown, and one without all
    scores leaves every score None: nothing is repaired. Such a reply is final; one that could not be had is
    asked for again by the next run. Scores are asked for only where the classes are known. All replies are
    kept in a store of verdicts, so that an interrupted run goes on.

    Attributes:
        config: of the classifier that names the judge.
    """

    version = "1.1"
    suffix = "_v1_1"
    scores_responses = True

    def __init__(self, config: ClassifierConfig, verdicts: Path, *, progress: bool = True) -> None:
        """Read the judge's configuration, and open or make the store; `progress` shows bars on stderr.

        Raises DiversityEvalError: no such judge, a setting that does not fit, a store that cannot be used.
        """
        self.config = config
        self._progress = progress
        grouping, scoring = set_judges(config)
        store = VerdictStore(verdicts)
        self._grouping = Rater(grouping, store, open_with=_open, progress=False)
        # A model in this process is loaded once.
        self._scoring = (
            self._grouping if scoring == grouping else Rater(scoring, store, open_with=_open, progress=False)
        )
        self._partition_fields: dict[str, str] = {}
        self._score_fields: dict[str, str] = {}
        self._prompts = self._unknown = self._unscored = 0

    def open(self) -> None:
        """See `NoveltyMetric.open`."""
        self._grouping.open()
        self._scoring.open()

    def judge(self, prompts: Sequence[Sequence[Answer]]) -> list[NoveltyResult]:
        """See `NoveltyMetric.judge`."""
        return self._results(prompts, None)

    def kept(self, prompts: Sequence[Sequence[Answer]], reason: str) -> list[NoveltyResult]:
        """See `NoveltyMetric.kept`."""
        return self._results(prompts, reason)

    def partition_fields(self) -> dict[str, str]:
        """See `NoveltyMetric.partition_fields`."""
        if not self._partition_fields:  # a local judge's digest takes time, and this is asked for often
            fields = self._grouping.signature_fields(GROUPS)
            del fields["scale"]  # of the scores
            self._partition_fields = {"metric_version": self.version, "test": self.config.test, **fields}
        return dict(self._partition_fields)

    def score_fields(self) -> dict[str, str]:
        """See `NoveltyMetric.score_fields`. The judge is the partition's."""
        if not self._score_fields:
            fields = self._scoring.signature_fields(SCORES)
            names = {"rubric": "score_rubric", "scale": "score_scale", "judge_request": "score_request"}
            self._score_fields = {new: fields[old] for old, new in names.items() if old in fields}
            self._score_fields["patience"] = f"{PATIENCE:g}"
        return dict(self._score_fields)

    def record(self) -> dict[str, Any]:
        """See `NoveltyMetric.record`."""
        raters = [self._grouping] if self._scoring is self._grouping else [self._grouping, self._scoring]
        return {
            "metric_version": self.version,
            "classifier": self.config.record(),
            "judge": self._grouping.record(),
            "verdicts_from_store": sum(rater.from_store for rater in raters),
            "verdicts_asked": sum(rater.asked for rater in raters),
            "seconds_asking": round(sum(rater.seconds for rater in raters), 3),
            "prompts": self._prompts,
            "partitions_unknown": self._unknown,
            "scores_unknown": self._unscored,
        }

    def close(self) -> None:
        """See `NoveltyMetric.close`."""
        self._grouping.close()
        self._scoring.close()

    def _results(
        self, prompts: Sequence[Sequence[Answer]], missing_because: str | None
    ) -> list[NoveltyResult]:
        shown = [_Shown.of(answers) for answers in prompts]
        grouped = self._read(
            self._grouping, GROUPS, [one for one in shown if len(one.texts) > 1], missing_because,
            lambda reply, count: read_groups(reply, count),
        )  # fmt: skip
        alone = _Read((0,))
        classes = [grouped.get((one.prompt, one.texts), alone) for one in shown]
        lowest, highest = self._scoring.config.scale
        scores = self._read(
            self._scoring, SCORES,
            [one for one, read in zip(shown, classes, strict=True) if one.texts and read.numbers is not None],
            missing_because,
            lambda reply, count: read_scores(reply, count, lowest, highest),
        )  # fmt: skip
        not_scored = _Read(None)
        results = [
            _result(one, read, scores.get((one.prompt, one.texts), not_scored))
            for one, read in zip(shown, classes, strict=True)
        ]
        self._prompts += len(results)
        self._unknown += sum(UNKNOWN in result.partition for result in results)
        self._unscored += sum(None in (result.scores or ()) for result in results)
        return results

    def _read(
        self,
        rater: Rater,
        kind: str,
        shown: Sequence[_Shown],
        missing_because: str | None,
        read: Callable[[str, int], list[int]],
    ) -> dict[tuple[str, tuple[str, ...]], _Read]:
        """The judge's numbers by prompt and texts; `read` takes them from a reply."""
        from tqdm import tqdm

        questions = {one.question(kind): one for one in shown}
        found: dict[tuple[str, tuple[str, ...]], _Read] = {}
        unknown = 0

        def keep(question: Rating, verdict: Verdict) -> None:
            nonlocal unknown
            one = questions[question]
            result = found[one.prompt, one.texts] = _numbers(verdict, len(one.texts), read)
            bar.update()
            if result.numbers is None:
                unknown += 1
                bar.set_postfix(unknown=unknown, refresh=False)

        what = "Grouping" if kind == GROUPS else "Scoring"
        with tqdm(
            total=len(questions), desc=f"{what} responses with {rater.config.name}", unit="prompt",
            disable=not self._progress or not questions or missing_because is not None, smoothing=0.1,
        ) as bar:  # fmt: skip
            if missing_because is None:
                rater.rate(list(questions), on_verdict=keep)
            else:
                verdicts = rater.kept(list(questions), missing_because)
                for question, verdict in zip(questions, verdicts, strict=True):
                    keep(question, verdict)
        return found


def _numbers(verdict: Verdict, count: int, read: Callable[[str, int], list[int]]) -> _Read:
    """What a reply says. A rating, which is not what was asked for, is not missed."""
    if verdict.failed:
        return _Read(None, verdict.reason)
    try:
        return _Read(tuple(read(verdict.reply, count)))
    except ReplyError as error:
        return _Read(None, f"the judge's reply is no answer: {error}")


def _result(one: _Shown, classes: _Read, scores: _Read) -> NoveltyResult:
    k = len(one.places)
    partition = (UNKNOWN,) * k
    if classes.numbers is not None:
        partition = tuple(classes.numbers[place] for place in one.places)
    scored: tuple[int | None, ...] = (None,) * k
    if scores.numbers is not None:
        scored = tuple(scores.numbers[place] for place in one.places)
    reasons = dict.fromkeys(filter(None, (classes.reason, scores.reason)))
    return NoveltyResult(partition, scores=scored, cut=(False,) * k, reasons=tuple(reasons))


def _open(judge: JudgeConfig) -> Backend:
    """As `open_backend`; a server that fails with our structured output but not without it gets that said."""
    try:
        return open_backend(judge)
    except DiversityEvalError:
        wanted = judge.request.get("response_format")
        if judge.backend != "server" or wanted not in FORMATS.values():
            raise
        rest = {key: value for key, value in judge.request.items() if key != "response_format"}
        try:
            open_backend(replace(judge, request=rest)).close()
        except DiversityEvalError:
            pass  # it is something else
        else:
            raise DiversityEvalError(
                f"{judge.label}: the server answers plain requests, but none that asks for structured output "
                "(`response_format` with a json_schema); switch that off with `request: {response_format: "
                "null}` in the judge's YAML: the judge is then asked for JSON in words alone"
            ) from None
        raise
