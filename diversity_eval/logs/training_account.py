"""The trainer's account beside a checkpoint (`diversity_eval.json`), as far as evaluations want to know
it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ACCOUNT_FILE", "training_settings"]

ACCOUNT_FILE = "diversity_eval.json"
"""The account's name in the checkpoint's folder."""

_MOST_BYTES = 16 << 20


def training_settings(folder: Path) -> Mapping[str, Any] | None:
    """The settings that a checkpoint, or the adapter merged into it, was trained with; None if nothing says.

    An account that cannot be read says nothing, and is no reason not to evaluate.
    """
    try:
        path = folder / ACCOUNT_FILE
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        account = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    training = account.get("training") if isinstance(account, dict) else None
    settings = training.get("settings") if isinstance(training, dict) else None
    return settings if isinstance(settings, dict) else None
