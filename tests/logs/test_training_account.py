from pathlib import Path

import pytest

from diversity_eval.logs.training_account import ACCOUNT_FILE, training_settings
from diversity_eval.training.checkpoints.record import RECORD_FILE, write_record


@pytest.mark.parametrize("kind", ["adapter", "model", "merged"])
def test_what_the_trainer_writes_is_read(tmp_path: Path, kind: str) -> None:
    assert ACCOUNT_FILE == RECORD_FILE
    write_record(tmp_path, kind, {"training": {"settings": {"loss": "gem", "epochs": 1.0}}})  # type: ignore[arg-type]
    assert training_settings(tmp_path) == {"loss": "gem", "epochs": 1.0}


def test_a_quantised_checkpoint_that_nobody_trained_has_none(tmp_path: Path) -> None:
    write_record(tmp_path, "quantised", {"source": "org/m"})
    assert training_settings(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b'{"training": []}', b'{"training": {"settings": 3}}'],
)
def test_a_damaged_account_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ACCOUNT_FILE).write_bytes(content)
    assert training_settings(tmp_path) is None


def test_no_account_and_one_that_is_too_long_say_nothing(tmp_path: Path) -> None:
    assert training_settings(tmp_path) is None
    assert training_settings(tmp_path / "nowhere") is None
    (tmp_path / ACCOUNT_FILE).write_bytes(b" " * ((16 << 20) + 1))
    assert training_settings(tmp_path) is None
