"""A judge inside an lm_eval run: settled before anything is generated, shared by all tasks of the run."""

import atexit
import logging
import os
import sys
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError
from diversity_eval.harness.messages import logger
from diversity_eval.harness.model import EvaluatedModel, find_local
from diversity_eval.harness.options import TaskOptions
from diversity_eval.judging.config import load_judge
from diversity_eval.judging.rater import Rater
from diversity_eval.judging.store import VerdictStore
from diversity_eval.scoring.unscored import LARGEST_UNSCORED_SHARE

__all__ = ["fail_at_the_end", "judge_error", "open_rater", "output_folder", "report_unscored"]

_AFTERWARDS = (
    "run without `judge` and with --log_samples, then score afterwards: "
    "diversity-eval score LOGS --judge {judge} -o OUT"
)
_raters: dict[tuple[str, str, str], Rater] = {}


def open_rater(options: TaskOptions, model: EvaluatedModel, *, kind: str, task: str) -> Rater | None:
    """The judge that `--metadata judge=NAME` asks for, loaded and tried; None if none is asked for.

    lm-eval keeps the evaluated model in memory until the end, so a judge in this process has to fit beside
    it: that, and that it loads at all, is found out here, before the responses are generated. Raises
    DiversityEvalError if it does not, and for a run over several ranks.
    """
    if options.judge is None:
        return None
    afterwards = _AFTERWARDS.format(judge=options.judge)
    if getattr(model.lm, "world_size", 1) > 1:
        raise DiversityEvalError(
            f"{task}: judge={options.judge} cannot be used with several ranks, each of which would load it; "
            f"{afterwards}"
        )
    config = load_judge(options.judge, dict(options.judge_set))
    config.rubric(kind)
    path = Path(options.verdicts) if options.verdicts else output_folder() / "verdicts.sqlite"
    key = (options.judge, repr(options.judge_set), str(path.resolve()))
    if key not in _raters:
        rater = Rater(config, VerdictStore(path))
        try:
            rater.open()
        except DiversityEvalError as error:
            rater.close()
            if config.backend == "server":
                raise
            raise DiversityEvalError(f"{error}. Beside the evaluated model? If not, {afterwards}") from None
        logger.info("%s: verdicts of judge %s are kept in %s", task, config.name, path)
        _raters[key] = rater
        atexit.register(rater.close)
    return _raters[key]


def output_folder() -> Path:
    """lm-eval's --output_path (the folder of a .json path), else the working folder.

    Like the model, it is not handed to tasks; `simple_evaluate` has the tracker that knows it.
    """
    tracker: Any = find_local("evaluation_tracker")
    output = getattr(tracker, "output_path", None)
    if not output:
        return Path()
    path = Path(output)
    return path.parent if path.suffix == ".json" else path


def judge_error(task: str, error: BaseException, what: str = "the rating") -> str:
    """Why `what` ended early, said at once and at the end; the responses and other metrics are kept."""
    reason = f"{type(error).__name__}: {error}" if not isinstance(error, DiversityEvalError) else str(error)
    if isinstance(error, KeyboardInterrupt):
        reason = "interrupted"
    reason = " ".join(reason.split())[:400]
    logger.error("%s: %s ended early: %s", task, what, reason)
    return f"{what} ended early: {reason}"


def report_unscored(task: str, rater: Rater, unscored: int, rated: int) -> None:
    """Say how many responses have no rating; more than 5 % make lm_eval's command fail at its end.

    The results are written first: nothing that was measured is thrown away.
    """
    if unscored == 0:
        return
    message = (
        f"{task}: {unscored} of {rated} responses have no rating by judge {rater.config.name}; reasons and "
        f"replies are in {rater.store.path} and in the sample log under `unscored`"
    )
    if unscored <= LARGEST_UNSCORED_SHARE * rated:
        logger.warning("%s", message)
        return
    logger.error("%s. That is more than %.0f %%: do not publish", message, 100 * LARGEST_UNSCORED_SHARE)
    fail_at_the_end(message)


def _is_lm_eval_command() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    module = getattr(spec, "name", "") or ""
    return module.split(".")[0] == "lm_eval" or Path(sys.argv[0]).stem in ("lm_eval", "lm-eval")


_failing: list[str] = []


def fail_at_the_end(message: str) -> None:
    """Let lm_eval's command, if it is that which runs, write everything and then end with status 1.

    lm-eval has no way for a task to say so, and an exception now would lose the results. At exit the status
    can only be replaced by ending the process, which is why output is flushed first.
    """
    if not _is_lm_eval_command():
        return
    if not _failing:

        def end() -> None:
            print("diversity-eval: error: " + "; ".join(_failing), file=sys.stderr)
            for rater in _raters.values():
                rater.close()
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

        atexit.register(end)
    _failing.append(message)
