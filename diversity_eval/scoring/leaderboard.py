"""NoveltyBench's own files from a scored run."""

from collections.abc import Sequence
from pathlib import Path

from diversity_eval.errors import DiversityEvalError
from diversity_eval.logs.logged import LoggedRun
from diversity_eval.logs.novelty_bench import LeaderboardPrompt, check_leaderboard, write_leaderboard
from diversity_eval.logs.sample_logs import safe_name
from diversity_eval.logs.writing import NO_MODEL
from diversity_eval.scoring.families import logged_responses
from diversity_eval.scoring.novelty import NoveltyScorer

__all__ = ["FOLDER", "check_novelty_bench", "write_novelty_bench"]

FOLDER = "novelty-bench"
"""Below an output folder: NoveltyBench's files, a folder a model."""


def check_novelty_bench(output: Path, runs: Sequence[LoggedRun]) -> None:
    """Refuse runs whose files could not be written, before anything is computed.

    Raises DiversityEvalError as `logs.novelty_bench.check_leaderboard`, and for two runs of one model and
    subset.
    """
    targets: dict[Path, Path] = {}
    for run in runs:
        folder = check_leaderboard(_folder(output, run), run)
        if folder in targets:
            raise DiversityEvalError(
                f"{targets[folder]} and {run.path} are runs of one model and subset, and the leaderboard "
                "takes one; name one of them, or give each an output folder"
            )
        targets[folder] = run.path


def _folder(output: Path, run: LoggedRun) -> Path:
    return output / FOLDER / safe_name(run.model or NO_MODEL)


def write_novelty_bench(output: Path, run: LoggedRun, scorer: NoveltyScorer) -> Path:
    """Write the leaderboard's files of a run; see `logs.novelty_bench.write_leaderboard`.

    Args:
        output: the folder of the results; the files go into FOLDER/MODEL below it.
        run: whose responses.
        scorer: which has judged them.

    Returns:
        The folder of the metric's version.
    """
    prompts = []
    for prompt in run.prompts:
        responses = logged_responses(run, prompt)
        result = scorer.result(responses)
        prompts.append(
            LeaderboardPrompt.of(
                prompt, result.partition, result.scores, unscored="; ".join(result.reasons) or None
            )
        )
    return write_leaderboard(_folder(output, run), run, prompts, version=scorer.metric.version)
