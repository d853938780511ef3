"""What is said of answers that could not be found or verified."""

from diversity_eval.harness.judge import fail_at_the_end
from diversity_eval.harness.messages import logger
from diversity_eval.scoring.coverage import CoverageScorer
from diversity_eval.scoring.family import MetricFamily
from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE

__all__ = ["report_answers"]

_MANY_MISSING = 0.5


def report_answers(task: str, family: MetricFamily) -> None:
    """Say how many answers are missing or unverifiable; more than 5 % unverifiable fail lm_eval's command.

    The results are written first. Missing ones are the model's doing and never an error.
    """
    if not isinstance(family, CoverageScorer):
        return
    statuses = family.statuses
    responses = statuses.total()
    if (missing := statuses["missing"]) > _MANY_MISSING * responses:
        logger.warning(
            "%s: %d of %d responses have no answer in a \\boxed{}; they count as not right. If the model was "
            "cut off, give it more new tokens", task, missing, responses,
        )  # fmt: skip
    if not (unverifiable := statuses["unverifiable"]):
        return
    message = (
        f"{task}: {unverifiable} of {responses} answers could not be verified; they count as not right, and "
        "the sample log says under `unverifiable` why"
    )
    if unverifiable <= LARGEST_UNSCORED_SHARE * responses:
        logger.warning("%s", message)
        return
    logger.error("%s. That is more than %.0f %%: do not publish", message, 100 * LARGEST_UNSCORED_SHARE)
    fail_at_the_end(message)
