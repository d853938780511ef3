"""`diversity-eval train`, but the second of two processes loses all passes of the second step."""

import os

import pytest

from diversity_eval.cli import main
from tests.training.faults import break_passes

if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        if os.environ["RANK"] == "1":
            break_passes(patch, "loss", (2, 3))
        main()
