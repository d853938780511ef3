"""What is said of answers that could not be found or verified."""

from diversity_eval.harness.judge import fail_at_the_end
from diversity_eval.harness.messages import logger
from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE
from diversity_eval.scoring.unverified import Unverified

__all__ = ["report_answers"]


def report_answers(task: str, unverified: Unverified) -> None:
    """Say how many answers are missing or unverifiable; more than 5 % unverifiable fail lm_eval's command.

    The results are written first.
    """
    for line in unverified.lines():
        logger.warning("%s: %s", task, line)
    if unverified.too_many:
        message = f"{task}: {unverified.lines()[-1]}"
        logger.error("%s. That is more than %.0f %%: do not publish", message, 100 * LARGEST_UNSCORED_SHARE)
        fail_at_the_end(message)
