"""What a reward model's server is asked before anything else, and which servers are turned away."""

from collections.abc import Mapping
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.novelty.reward_server import ServerReward
from tests.judging.faulty_judge import running
from tests.judging.novelty.faulty_reward import FaultyReward, true_reward
from tests.judging.novelty.test_reward_server import ANSWERS, DEAD, ask, asked, config, score, values


@pytest.mark.parametrize(
    ("server", "path", "switch"),
    [
        (FaultyReward(paths=("/pooling",)), "/pooling", "use_activation"),
        (FaultyReward(switches=("activation",)), "/pooling", "activation"),
        (FaultyReward(refuses=("use_activation",), switches=("activation",)), "/pooling", "activation"),
        # Rewards that look like probabilities, but change when the sigmoid is asked for.
        (FaultyReward(low=0.1, high=0.9), "/classify", "use_activation"),
        # No activation at all.
        (FaultyReward(sigmoid=False, switches=()), "/classify", "use_activation"),
    ],
)
def test_how_a_server_is_asked_is_found_out(server: FaultyReward, path: str, switch: str) -> None:
    with running(server):
        model = ServerReward(config(server.url), first_wait=0.001)
        expected = [true_reward(a.prompt, a.response, server.low, server.high) for a in ANSWERS]
        assert values(score(model, ANSWERS)) == expected
    assert model.record()["endpoint"] == path
    assert all(body[switch] is False for body in asked(server))


@pytest.mark.parametrize(
    ("server", "settings", "expected"),
    [
        (FaultyReward(switches=()), {}, "from 0 to 1 however it is asked, .*sigmoid off"),
        (FaultyReward(sigmoid=False, switches=(), low=0, high=1), {}, "from 0 to 1 however it is asked"),
        (FaultyReward(labels=2), {}, "has 2 labels.*vllm serve MODEL --runner pooling"),
        (FaultyReward(labels=64, paths=("/pooling",)), {}, "gives 64 numbers for a response.*embedding"),
        (FaultyReward(per_token=True), {}, "numbers for every token.*--runner pooling"),
        (FaultyReward(values={"": float("nan")}), {}, "no finite number for a plain conversation.*--dtype"),
        (FaultyReward(paths=("/v1/completions",)), {}, "answers 404 .*Not Found.*--runner pooling"),
        (FaultyReward(serves="other"), {}, "answers 404 .*`some/model` does not exist.*under `model`"),
        (FaultyReward(refuses=("messages",)), {}, "answers 400 .*'messages'.*--runner pooling"),
        (FaultyReward(always={"": 401}), {}, "answers 401 .*environment variable REWARD_TEST_KEY"),
        (FaultyReward(always={"": 403}), {}, "answers 403 .*environment variable REWARD_TEST_KEY"),
        (FaultyReward(always={"": 500}), {"retries": 2}, "no usable answer in 2 attempts .*answers 500"),
        (FaultyReward(always={"": "html"}), {"retries": 2}, "no usable answer in 2 attempts .*not JSON"),
        (FaultyReward(always={"": "hang"}), {"timeout": 0.2}, "out of reach .*within 0.2 seconds"),
    ],
)
def test_what_would_go_wrong_with_all_is_found_beforehand(
    server: FaultyReward, settings: Mapping[str, Any], expected: str
) -> None:
    with running(server), pytest.raises(DiversityEvalError, match=expected) as caught:
        ask(server, **settings)
    message = str(caught.value)
    assert message.startswith("reward model tested: the server at http://127.0.0.1:")
    assert message.isprintable()
    assert not asked(server)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(DiversityEvalError, match=r"127\.0\.0\.1:9 is out of reach \(no connection"):
        ServerReward(config(DEAD, DEAD + "/v1"), first_wait=0.001)


def test_a_flaky_server_still_opens() -> None:
    for seed in range(5):
        faults = ["429", "503", "html"]
        with running(FaultyReward(rate=0.7, seed=seed, faults=faults, retry_after="0")) as server:
            ServerReward(config(server.url, retries=40), first_wait=0.0001)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (FaultyReward(switches=()), "from 0 to 1 however it is asked"),
        (FaultyReward(labels=3), "has 3 labels"),
        (FaultyReward(paths=("/pooling",)), "answers 404"),
    ],
)
def test_every_address_has_to_give_raw_rewards(other: FaultyReward, expected: str) -> None:
    with running(FaultyReward()) as one, running(other), pytest.raises(DiversityEvalError, match=expected):
        ServerReward(config(one.url, other.url), first_wait=0.001)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"request": {"use_activation": True}}, "`request` cannot set use_activation"),
        ({"request": {"input": "x", "model": "y"}}, "`request` cannot set input, model"),
        ({"max_length": 100}, "`max_length` belongs to backend: transformers"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(DiversityEvalError, match=f"reward model tested: {expected}"):
        ServerReward(config(DEAD, **settings))
