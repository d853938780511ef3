"""The options of `diversity-eval score` that are about NoveltyBench, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from diversity_eval.cli.judge_options import setting
from diversity_eval.errors import DiversityEvalError

if TYPE_CHECKING:
    from diversity_eval.judging.novelty import ClassifierConfig, NoveltyMetric, RewardConfig
    from diversity_eval.logs.logged import LoggedRun
    from diversity_eval.scoring.score_logs import ScoredTask

__all__ = ["NoveltyChoice", "fail_if_unknown", "novelty_error", "novelty_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS: list[Callable[[Any], Any]] = [
    click.option(
        "--benchmark",
        type=click.Choice(["novelty_bench"]),
        help="Measure Distinct, and with a reward model Utility.",
    ),
    click.option(
        "--classifier",
        help="What decides which responses are the same: novelty-bench (if unsaid), exact, rouge1, judge, "
        "v1.1, or a YAML.",
    ),
    click.option("--classifier-set", multiple=True, metavar="KEY=VALUE", help="Replace a key of its YAML."),
    click.option(
        "--reward",
        help="What scores responses, for Utility: skywork-27b, skywork-27b-nf4, skywork-27b-server, or a "
        "YAML; none if unsaid.",
    ),
    click.option("--reward-set", multiple=True, metavar="KEY=VALUE", help="Replace a key of its YAML."),
    click.option(
        "--novelty-store",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where comparisons and rewards are kept and looked up; else OUTPUT/novelty.sqlite.",
    ),
    click.option(
        "--format",
        "formats",
        multiple=True,
        type=click.Choice(["novelty-bench"]),
        help="Also write the files of NoveltyBench's leaderboard.",
    ),
]


def novelty_options(command: _Command) -> _Command:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class NoveltyChoice:
    """Which classifier and reward model a user chose."""

    classifier: ClassifierConfig
    reward: RewardConfig | None
    store: Path | None

    @classmethod
    def of_options(
        cls,
        *,
        benchmark: str | None,
        classifier: str | None,
        classifier_set: tuple[str, ...],
        reward: str | None,
        reward_set: tuple[str, ...],
        novelty_store: Path | None,
        formats: tuple[str, ...],
    ) -> NoveltyChoice | None:
        """The choice; None without a benchmark.

        Raises DiversityEvalError for options that mean nothing without another one, or that do not fit.
        """
        if benchmark is None:
            given: Mapping[str, object] = {
                "--classifier": classifier, "--classifier-set": classifier_set, "--reward": reward,
                "--reward-set": reward_set, "--novelty-store": novelty_store, "--format": formats,
            }  # fmt: skip
            if unused := [name for name, value in given.items() if value]:
                raise DiversityEvalError(
                    f"{unused[0]} is given without a benchmark; add --benchmark novelty_bench"
                )
            return None
        from diversity_eval.judging.novelty import DEFAULT_CLASSIFIER, load_classifier, load_reward

        named = classifier or DEFAULT_CLASSIFIER
        if named.lower() == "none":
            raise DiversityEvalError(
                "--classifier none: --benchmark novelty_bench cannot do without one; leave the benchmark out "
                "for the other diversity metrics, or take --classifier exact, which needs no model"
            )
        if reward is None and reward_set:
            raise DiversityEvalError("--reward-set is given without a reward model; add --reward NAME")
        rewarded = reward is not None and reward.lower() != "none"
        return cls(
            load_classifier(named, dict(setting("--classifier-set", text) for text in classifier_set)),
            load_reward(str(reward), dict(setting("--reward-set", text) for text in reward_set))
            if rewarded
            else None,
            novelty_store,
        )

    def check(
        self,
        runs: Sequence[LoggedRun],
        output: Path,
        warn: Callable[[str], None],
        *,
        leaderboard: bool,
    ) -> None:
        """Refuse what cannot be measured, before anything is computed.

        Raises DiversityEvalError for runs with a single response to each prompt, and for leaderboard files by
        a test that the leaderboard does not know, or that could not be written.
        """
        from diversity_eval.scoring.family import odd_categories

        for run in runs:
            if run.most < 2:
                raise DiversityEvalError(
                    f"{run.path}: Distinct needs at least 2 responses to each prompt, but there is 1"
                )
            for line in odd_categories(run.categories):
                warn(f"{run.path}: {line}")
        if not leaderboard:
            return
        from diversity_eval.logs.novelty_subsets import prompts_of
        from diversity_eval.scoring.leaderboard import check_novelty_bench

        if self.classifier.test not in ("classifier", "judge_sets"):
            raise DiversityEvalError(
                f"--format novelty-bench: the leaderboard knows no values by {self.classifier.name}; use its "
                "own classifier, or leave the format out"
            )
        check_novelty_bench(output, runs)
        own = "yimingzhang/deberta-v3-large-generation-similarity"
        if self.classifier.test == "classifier" and self.classifier.model != own:
            warn(f"the leaderboard's version 1.0 is by {own}, not by {self.classifier.model}")
        if self.classifier.test == "judge_sets":
            warn("the leaderboard's version 1.1 is by its own questions and judge, not by these")
        for run in runs:
            if (total := prompts_of(run.task)) is not None and len(run.prompts) != total:
                warn(
                    f"{run.path}: {len(run.prompts)} of the benchmark's {total} prompts; the leaderboard "
                    "takes whole runs only"
                )
        if self.classifier.test == "classifier" and self.reward is None:
            warn("the leaderboard wants a utility too; name a reward model with --reward")

    def open(self, output: Path, verdicts: Path | None) -> NoveltyMetric:
        """The metric, its models not loaded yet.

        Raises DiversityEvalError for a store that cannot be used.
        """
        from diversity_eval.judging.novelty import STORE, novelty_metric

        return novelty_metric(
            self.classifier,
            self.reward,
            store=self.store or output / STORE,
            verdicts=verdicts or output / "verdicts.sqlite",
        )


def novelty_error(error: BaseException) -> str:
    """Why comparing or scoring ended early, said at once; a user's own mistake stays an error."""
    if isinstance(error, DiversityEvalError):
        raise error
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
    click.echo(f"diversity-eval: comparing and scoring the responses ended early: {reason}", err=True)
    return f"ended early: {reason}"


def fail_if_unknown(tasks: Sequence[ScoredTask]) -> None:
    """Say how many prompts have no value.

    Raises DiversityEvalError if they are more than 5 % of a task's, or if leaderboard files are missing.
    """
    if errors := [task.leaderboard_error for task in tasks if task.leaderboard_error]:
        raise DiversityEvalError(f"{'; '.join(errors)}. The results are written")
    from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE

    for task in tasks:
        for name, count in task.unknown.items():
            if not count:
                continue
            prompts = len(task.run.prompts)
            why = "; ".join(task.reasons[:3])
            said = f"{task.run.task}: {count} of {prompts} prompts have no {name} ({why})"
            if count > LARGEST_UNSCORED_SHARE * prompts:
                raise DiversityEvalError(
                    f"{said}. That is more than {LARGEST_UNSCORED_SHARE:.0%}: do not publish it. All that "
                    "was measured is written; where no answer came, the same command asks again"
                )
            click.echo(f"diversity-eval: warning: {said}; they are left out of the mean", err=True)
