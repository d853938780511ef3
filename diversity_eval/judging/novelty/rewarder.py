"""From responses to rewards: the store first, then the reward model for what is missing."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diversity_eval.judging.novelty.config import RewardConfig
from diversity_eval.judging.novelty.items import Answer, Reward, RewardModel
from diversity_eval.judging.result_store import ResultStore, result_key
from diversity_eval.metrics.signature import Signature

__all__ = ["Rewarder", "open_reward"]


def open_reward(config: RewardConfig) -> RewardModel:
    """Load the reward model, or reach its server, and check that it gives raw rewards.

    Raises DiversityEvalError if not.
    """
    if config.backend == "server":
        from diversity_eval.judging.novelty.reward_server import ServerReward

        return ServerReward(config)
    from diversity_eval.judging.novelty.reward_transformers import TransformersReward

    return TransformersReward(config)


class Rewarder:
    """A reward model with its store; loaded when the first reward is missing, or by `open()`.

    Attributes:
        config: of the reward model.
        asked: responses that the model scored, in this process.
        from_store: responses that had been scored before.
    """

    def __init__(
        self,
        config: RewardConfig,
        store: ResultStore,
        *,
        open_with: Callable[[RewardConfig], RewardModel] = open_reward,
        progress: bool = True,
    ) -> None:
        """`open_with` makes the reward model; `progress` shows a bar on stderr."""
        self.config = config
        self._store = store
        self._open_with = open_with
        self._progress = progress
        self._model: RewardModel | None = None
        self.asked = self.from_store = 0
        self.seconds = 0.0

    def open(self) -> RewardModel:
        """Load the model, if it is not yet.

        Raises DiversityEvalError if it cannot be loaded or reached.
        """
        if self._model is None:
            self._model = self._open_with(self.config)
        return self._model

    def close(self) -> None:
        """Give the model's memory back."""
        if self._model is not None:
            self._model.close()
            self._model = None

    def rewards(
        self, answers: Sequence[Answer], *, missing_because: str | None = None
    ) -> dict[Answer, Reward]:
        """The reward of each response; equal ones are scored once.

        With `missing_because` nothing is asked: a reward that is not in the store is missing for this reason.
        A reward that could not be had is not stored, so that the next run asks again.
        """
        from tqdm import tqdm

        signature = str(Signature("reward", self.config.model_fields()))
        keys = {
            answer: result_key(signature, answer.prompt, answer.response) for answer in dict.fromkeys(answers)
        }
        stored = self._store.get(list(keys.values()))
        self.from_store += len(stored)
        found = {answer: self._stored(stored[key]) for answer, key in keys.items() if key in stored}
        missing = [answer for answer in keys if answer not in found]
        if missing and missing_because is not None:
            return found | dict.fromkeys(missing, Reward(None, missing_because))
        if not missing:
            return found
        model = self.open()
        started = time.monotonic()
        with tqdm(
            total=len(missing), desc=f"Scoring responses by {self.config.name}", unit="response",
            disable=not self._progress, smoothing=0.1,
        ) as bar:  # fmt: skip

            def keep(batch: Sequence[tuple[int, Reward]]) -> None:
                self.asked += len(batch)
                scored = {missing[index]: _finite(reward) for index, reward in batch}
                self._store.put(
                    signature,
                    [
                        (keys[answer], {"reward": reward.value})
                        for answer, reward in scored.items()
                        if reward.value is not None
                    ],
                )
                found.update(scored)
                bar.update(len(batch))

            try:
                model.rewards(missing, keep)
            finally:
                self.seconds += time.monotonic() - started
        for answer in missing:
            found.setdefault(answer, Reward(None, "the reward model returned no reward"))
        return found

    def record(self) -> dict[str, Any]:
        """The model as configured and as run, and how many rewards were new, for the results file."""
        return {
            **self.config.record(),
            "running": self._model.record() if self._model is not None else {},
            "scored": self.asked,
            "from_store": self.from_store,
            "seconds_scoring": round(self.seconds, 3),
        }

    def _stored(self, result: Mapping[str, Any]) -> Reward:
        try:
            return _finite(Reward(float(result["reward"])))
        except (KeyError, TypeError, ValueError):
            raise self._store.unreadable() from None


def _finite(reward: Reward) -> Reward:
    """An overflow is no reward: infinity would be the highest score."""
    if reward.value is None or math.isfinite(reward.value):
        return reward
    return Reward(None, f"the reward is {reward.value}, expected a finite number; a wider `dtype` may help")
