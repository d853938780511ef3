"""Importing this package, and asking for help, loads nothing heavy."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "safetensors", "datasets")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, diversity_eval.training.checkpoints, diversity_eval.cli.quantize\nprint([name for "
        f"name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
