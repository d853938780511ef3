import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty.config import RewardConfig
from diversity_eval.judging.novelty.items import Answer, Reward
from diversity_eval.judging.novelty.rewarder import Rewarder
from diversity_eval.judging.result_store import ResultStore
from tests.judging.novelty.counting import CountingReward, answers

CONFIG = RewardConfig("own", "transformers", "org/reward")

New = Callable[..., Rewarder]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    with ResultStore(tmp_path / "novelty.sqlite") as made:
        yield made


@pytest.fixture
def new(store: ResultStore) -> New:
    """Another process's rewarder over the same store."""

    def rewarder(model: CountingReward | None, config: RewardConfig = CONFIG) -> Rewarder:
        def open_with(_: RewardConfig) -> CountingReward:
            assert model is not None, "nothing is to be loaded"
            return model

        return Rewarder(config, store, open_with=open_with, progress=False)

    return rewarder


def length(answer: Answer) -> Reward:
    return Reward(len(answer.prompt) * 10 - len(answer.response) / 3)


FIVE = [*answers("p", ["a", "bb", "ccc"]), *answers("prompt", ["a", ""])]


def test_equal_answers_are_scored_once(new: New) -> None:
    model = CountingReward(length)
    rewarder = new(model)
    assert rewarder.rewards([*FIVE, *FIVE[::-1]]) == {answer: length(answer) for answer in FIVE}
    # The same text to two prompts is two answers.
    assert len(model.asked) == len(set(model.asked)) == rewarder.asked == 5
    assert rewarder.record() == {
        **CONFIG.record(), "running": {"device": "paper"}, "scored": 5, "from_store": 0,
        "seconds_scoring": pytest.approx(0, abs=5),
    }  # fmt: skip


def test_nothing_to_score_loads_nothing(new: New) -> None:
    rewarder = new(None)
    assert rewarder.rewards([]) == {}
    assert rewarder.record()["running"] == {}
    rewarder.close()


def test_the_model_is_loaded_once_and_given_back(new: New) -> None:
    model = CountingReward(length)
    rewarder = new(model)
    assert rewarder.open() is rewarder.open() is model
    rewarder.rewards(FIVE)
    rewarder.close()
    assert model.closed


def test_another_process_finds_them_to_the_last_digit(new: New) -> None:
    values = dict(zip(FIVE, (0.1 + 0.2, -1e-300, 5e-324, -7.71875, 1e308), strict=True))
    new(CountingReward(lambda answer: Reward(values[answer]))).rewards(FIVE)
    rewarder = new(None)
    assert rewarder.rewards(FIVE) == {answer: Reward(value) for answer, value in values.items()}
    assert (rewarder.asked, rewarder.from_store) == (0, 5)


def test_after_an_exception_only_what_is_missing_is_scored(new: New) -> None:
    broken = CountingReward(length, breaks_after=3)
    rewarder = new(broken)
    with pytest.raises(KeyboardInterrupt):
        rewarder.rewards(FIVE)
    # Batches from the end: one, then two of two, of which the last did not arrive.
    assert rewarder.asked == 3
    model = CountingReward(length)
    again = new(model)
    assert again.rewards(FIVE) == {answer: length(answer) for answer in FIVE}
    assert model.asked == FIVE[:2]
    assert (again.asked, again.from_store) == (2, 3)


def test_what_could_not_be_had_is_asked_again_another_time(new: New, store: ResultStore) -> None:
    gone = Reward(None, "HTTP 500")
    found = new(CountingReward(lambda answer: gone if answer.prompt == "p" else length(answer))).rewards(FIVE)
    assert [found[answer] for answer in FIVE[:3]] == [gone] * 3
    assert store.count() == 2
    model = CountingReward(length)
    assert new(model).rewards(FIVE) == {answer: length(answer) for answer in FIVE}
    assert sorted(model.asked, key=FIVE.index) == FIVE[:3]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_no_reward(new: New, store: ResultStore, value: float) -> None:
    """Infinity would be the highest score, and nan an error that ends the run."""
    (reward,) = new(CountingReward(lambda _: Reward(value))).rewards(FIVE[:1]).values()
    assert reward.value is None
    assert f"the reward is {value}, expected a finite number" in reward.reason
    assert store.count() == 0


def test_a_model_that_leaves_an_answer_out_has_not_scored_it(new: New) -> None:
    class Forgetful(CountingReward):
        def rewards(self, answers: Any, on_results: Any) -> None:
            super().rewards(answers, lambda batch: on_results(batch[1:]))

    found = new(Forgetful(length)).rewards(FIVE)
    assert sum(reward.value is None for reward in found.values()) == 3
    assert {r.reason for r in found.values() if r.value is None} == {"the reward model returned no reward"}


@pytest.mark.parametrize(
    "change", [{"model": "org/other"}, {"revision": "abc"}, {"dtype": "bfloat16"}, {"quantization": "nf4"},
               {"tokenizer": "org/tok"}, {"request": {"a": 1}}],
)  # fmt: skip
def test_another_model_s_rewards_are_not_taken(new: New, change: dict[str, Any]) -> None:
    new(CountingReward(length)).rewards(FIVE)
    model = CountingReward(length)
    config: dict[str, Any] = {"name": "own", "backend": "transformers", "model": "org/reward", **change}
    new(model, RewardConfig(**config)).rewards(FIVE)
    assert len(model.asked) == 5


def test_other_thresholds_and_places_take_the_same_rewards(new: New) -> None:
    new(CountingReward(length)).rewards(FIVE)
    elsewhere = RewardConfig("other", "transformers", "org/reward", thresholds=(0.0,), device="cuda:3")
    assert new(None, elsewhere).rewards(FIVE) == {answer: length(answer) for answer in FIVE}
    # A server that renders the chat itself is another measurement.
    served = RewardConfig("other", "server", "org/reward", base_url=("http://a:1",))
    asked = CountingReward(length)
    new(asked, served).rewards(FIVE)
    assert len(asked.asked) == len(FIVE)


def test_with_a_reason_nothing_is_asked_or_loaded(new: New) -> None:
    new(CountingReward(length)).rewards(FIVE[:2])
    rewarder = new(None)
    found = rewarder.rewards(FIVE, missing_because="stopped")
    assert [found[answer] for answer in FIVE] == [
        *(length(answer) for answer in FIVE[:2]), *[Reward(None, "stopped")] * 3
    ]  # fmt: skip
    assert rewarder.asked == 0


TAMPERED: list[Any] = [{}, [], 5, {"reward": "x"}, {"reward": None}, {"reward": [1]}]


def test_a_tampered_store_is_told(new: New, store: ResultStore) -> None:
    new(CountingReward(length)).rewards(FIVE[:1])
    for result in TAMPERED:
        store._db.execute("UPDATE results SET result = ?", (json.dumps(result),))
        with pytest.raises(DiversityEvalError, match="holds something that is no result"):
            new(None).rewards(FIVE[:1])


def test_odd_characters_are_scored_as_they_are(new: New) -> None:
    odd = answers("\ud800", ["\udfff", "\x00", "", "\u2028"])
    assert len(new(CountingReward(length)).rewards(odd)) == 4
    assert len(new(None).rewards(odd)) == 4
