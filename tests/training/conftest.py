from pathlib import Path

import pytest

from tests.training.runs import SharedRuns, make_lively, write_rows


@pytest.fixture(scope="session")
def runs(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> SharedRuns:
    """Runs of the trainer on a tiny model whose probabilities are not all alike."""
    import gc

    import trl  # noqa: F401  # for what it leaves in memory

    # The Trainer collects garbage at the end, which takes longer than the run with all that TRL imports.
    gc.collect()
    gc.freeze()
    folder = tmp_path_factory.mktemp("training")
    rows = write_rows(folder / "rows.jsonl")
    return SharedRuns(make_lively(checkpoint, rows, folder / "base"), rows, folder)
