"""The machines that run a judge, one file each, behind one small interface."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict

__all__ = ["Backend", "open_backend"]


class Backend(Protocol):
    """Takes rendered prompts, gives verdicts."""

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        """Judge every prompt.

        `on_verdict(i, verdict)` is called once for each, as soon as the verdict is there, in any order and
        always from the calling thread. What a judge or server does wrong with single prompts ends in unscored
        verdicts; DiversityEvalError is for what would go wrong with all of them.
        """

    def signature_fields(self) -> dict[str, str]:
        """What a rating depends on beyond the configuration, found out while the judge was opened."""

    def record(self) -> dict[str, Any]:
        """What is known about the judge once it runs: device, commit, versions, tokens computed."""

    def close(self) -> None:
        """Give back memory and connections."""


def open_backend(config: JudgeConfig) -> Backend:
    """Load the judge, or reach its server, and check that it can do what it is asked.

    Raises DiversityEvalError if it can not: a missing extra, a model that does not load or fit, a server that
    does not answer or gives no log-probabilities.
    """
    if config.backend == "transformers":
        from diversity_eval.judging.backends.transformers import TransformersBackend

        return TransformersBackend(config)
    if config.backend == "vllm":
        from diversity_eval.judging.backends.vllm import VllmBackend

        return VllmBackend(config)
    from diversity_eval.judging.backends.server import ServerBackend

    return ServerBackend(config)
