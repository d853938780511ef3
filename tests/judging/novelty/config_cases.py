"""Settings and files that the tests of configurations share."""

from collections.abc import Callable
from pathlib import Path

from diversity_eval.judging.novelty.config import ClassifierConfig, RewardConfig

CLASSIFIER = {"test": "classifier", "model": "org/pairs"}
JUDGED = {"test": "judge", "judge": "small-local"}
REWARD = {"backend": "transformers", "model": "org/reward"}
SERVED = {"backend": "server", "model": "org/reward", "base_url": "http://127.0.0.1:8000"}

Write = Callable[..., str]
Classifier = Callable[..., ClassifierConfig]
Reward = Callable[..., RewardConfig]


def build_model(folder: Path, weights: bytes = b"w" * 10) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder
