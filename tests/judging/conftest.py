"""Judges' YAML files for the tests of this folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from diversity_eval.judging.config import JudgeConfig, load_judge

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def judge(settings: dict[str, Any] | str | bytes, name: str = "own.yaml", folder: Path = tmp_path) -> str:
        folder.mkdir(exist_ok=True)
        path = folder / name
        if isinstance(settings, dict):
            settings = yaml.safe_dump(settings)
        path.write_bytes(settings.encode() if isinstance(settings, str) else settings)
        return str(path)

    return judge


@pytest.fixture
def load(write: Write) -> Callable[..., JudgeConfig]:
    def judge(settings: dict[str, Any], **more: Any) -> JudgeConfig:
        return load_judge(write({**settings, **more}))

    return judge
