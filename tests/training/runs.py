"""Short runs of the trainer on a tiny model, shared between tests, and a second trainer to compare with."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from diversity_eval.training.data import EncodedRow
from diversity_eval.training.run import TrainResult, train
from diversity_eval.training.settings_files import build_settings
from tests.training.token_losses import reference_loss

__all__ = ["Finished", "SharedRuns", "encoded_rows", "make_lively", "reference_run", "write_rows"]

ROWS = 20
STEPS = 6
"""Two epochs of 20 rows, eight a step: the last step of each has four rows."""
COMMON: dict[str, Any] = {
    "quantization": "none",
    "max_length": 96,
    "epochs": 2,
    "learning_rate": 5e-3,
    "warmup_steps": 2,
    "lora_rank": 4,
    "seed": 1,
    "log_steps": 1,
    "save_steps": 0,
    "loss": "tofu",
}


def write_rows(path: Path, count: int = ROWS) -> Path:
    """Prompts and responses of different lengths."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            child = ("Ann", "Bob", "Cleo")[number % 3]
            row = {
                "prompt": f"What would {child} do with {number} maps?" + " The small boat." * (number % 4),
                "response": f"{child} went out"
                + " at dawn" * (number * 7 % 5)
                + f" and came back with {number}.",
            }
            file.write(json.dumps(row) + "\n")
    return path


def make_lively(checkpoint: Path, dataset: Path, folder: Path) -> Path:
    """The checkpoint, trained a little on the texts: without, all tokens are equally likely."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    rows = [json.loads(line) for line in dataset.read_text(encoding="utf-8").splitlines()]
    batch = tokenizer(
        [f"{row['prompt']} {row['response']}" for row in rows], padding=True, return_tensors="pt"
    )
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(25):
        model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Finished:
    """A run that is over."""

    def __init__(self, result: TrainResult, folder: Path) -> None:
        self.result = result
        self.folder = folder

    @property
    def log(self) -> list[dict[str, Any]]:
        return read_log(self.folder)

    @property
    def losses(self) -> list[float]:
        return [row["loss"] for row in self.log]

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        (path,) = self.folder.glob("*.safetensors")
        found: dict[str, torch.Tensor] = load_file(path)
        return found


class SharedRuns:
    """Runs the trainer once for each choice of settings."""

    def __init__(self, model: Path, dataset: Path, folder: Path) -> None:
        self.model = model
        self.dataset = dataset
        self._folder = folder
        self._done: dict[str, Finished] = {}
        self._count = 0

    def settings(self, **changes: Any) -> Any:
        """The settings of a run with `changes`."""
        return build_settings({"model": str(self.model), "dataset": str(self.dataset), **COMMON, **changes})

    def new_folder(self) -> Path:
        self._count += 1
        return self._folder / f"run_{self._count}"

    def anew(self, folder: Path | None = None, **changes: Any) -> Finished:
        """A run that nobody shares."""
        folder = folder or self.new_folder()
        result = train(self.settings(**changes), folder)
        assert result is not None
        return Finished(result, folder)

    def __call__(self, **changes: Any) -> Finished:
        key = json.dumps(changes, sort_keys=True)
        if key not in self._done:
            self._done[key] = self.anew(**changes)
        return self._done[key]


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log, none of which may hold what JSON lacks."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def encoded_rows(runs: SharedRuns, **changes: Any) -> list[EncodedRow]:
    """What the trainer trains on."""
    from transformers import AutoTokenizer

    from diversity_eval.training.data import load_training_set

    tokenizer = AutoTokenizer.from_pretrained(runs.model)
    return load_training_set(runs.settings(**changes), tokenizer).rows


def reference_run(
    model: Any,
    rows: Sequence[EncodedRow],
    loss: str,
    *,
    per_step: int = 8,
    weight_decay: float = 0.01,
    no_decay: Callable[[str], bool] = lambda name: "norm" in name,
    **parameters: float,
) -> tuple[list[float], list[float]]:
    """Train `model` row by row, without padding, as COMMON says; losses and gradient norms of its steps."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if not no_decay(name)], "weight_decay": weight_decay},
        {"params": [p for name, p in named if no_decay(name)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=COMMON["learning_rate"], betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step, batch in enumerate(_batches(len(rows), per_step)):
        chosen = [rows[place] for place in batch]
        tokens = sum(label != -100 for row in chosen for label in row.labels)
        total = 0.0
        for row in chosen:
            if set(row.labels) == {-100}:
                continue
            logits = model(input_ids=torch.tensor([row.input_ids]), use_cache=False).logits
            value = reference_loss(loss, logits, torch.tensor([row.labels]), items=tokens, **parameters)
            torch.autograd.backward(value)
            total += value.item()
        norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for _, p in named if p.grad is not None))
        for _, parameter in named:
            if parameter.grad is not None:
                parameter.grad *= min(1.0, 1.0 / norm)
        warmup, steps = COMMON["warmup_steps"], STEPS
        share = step / warmup if step < warmup else (steps - step) / (steps - warmup)
        for group in optimizer.param_groups:
            group["lr"] = COMMON["learning_rate"] * share
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
        norms.append(norm)
    return losses, norms


def _batches(rows: int, per_step: int) -> Iterable[list[int]]:
    for epoch in range(COMMON["epochs"]):
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(COMMON["seed"] + epoch)).tolist()
        yield from (order[start : start + per_step] for start in range(0, rows, per_step))
