"""Configurations from settings, for the tests of this folder."""

import pytest

from diversity_eval.judging.novelty.config import load_classifier, load_reward
from tests.judging.novelty.config_cases import Classifier, Reward, Write


@pytest.fixture
def classifier(write: Write) -> Classifier:
    return lambda base, **more: load_classifier(write({**base, **more}))


@pytest.fixture
def reward(write: Write) -> Reward:
    return lambda base, **more: load_reward(write({**base, **more}))
