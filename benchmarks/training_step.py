"""A whole training step: the fused TOFU against the plain TOFU and against TRL's stock step.

    python benchmarks/training_step.py --model CHECKPOINT

One row of 1,024 tokens (64 of them prompt), forward, backward and AdamW on a LoRA adapter in float32,
without gradient checkpointing. `plain` is this project's trainer with `--no-fused`: full logits, log-softmax
at both temperatures. `stock` is TRL's SFTTrainer as it comes, with its own loss (cross entropy). Each
measurement is a process of its own, since a process's peak memory can't be taken back: the model is loaded,
the peak is reset, one step warms up, and the median of the others' times is reported, and how far the peak of
all lies above the state before the first (gradients and state of the adapter included, which are the same
for all). The three take turns over the rounds; the ratios are of the medians. Ends in one JSON line. There is
no limit: these are figures to know. Needs glibc's Linux (/proc, malloc_trim) and the extra `train`.
"""

import argparse
import ctypes
import gc
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VARIANTS = ("fused", "plain", "stock")
PROMPT = 64


def memory(name: str) -> int:
    """A line of /proc/self/status, in bytes: VmRSS is now, VmHWM the most since it was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {name}: this needs Linux")


def trainer_for(variant: str, model: str, folder: Path, length: int, steps: int) -> Any:
    import torch
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from diversity_eval.training.loading import adapter_config, load_base, load_tokenizer
    from diversity_eval.training.output_layer import LossChoice, read_output_layer
    from diversity_eval.training.settings_files import build_settings
    from diversity_eval.training.trainer import trainer_class

    settings = build_settings({"model": model, "dataset": "-", "quantization": "none"}, "the benchmark")
    base = load_base(settings).model
    tokenizer = load_tokenizer(settings)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, base.config.vocab_size, (steps, length), generator=generator).tolist()
    rows = Dataset.from_dict({"input_ids": ids, "labels": [[-100] * PROMPT + row[PROMPT:] for row in ids]})
    arguments: dict[str, Any] = {
        "model": base,
        "args": SFTConfig(
            output_dir=str(folder), per_device_train_batch_size=1, max_steps=steps, bf16=False, use_cpu=True,
            gradient_checkpointing=False, report_to="none", disable_tqdm=True, save_strategy="no",
            logging_strategy="no", max_length=length, dataset_kwargs={"skip_prepare_dataset": True},
            dataloader_pin_memory=False,
        ),
        "train_dataset": rows,
        "processing_class": tokenizer,
        "peft_config": adapter_config(settings),
    }  # fmt: skip
    if variant == "stock":
        return SFTTrainer(**arguments)
    layer = read_output_layer(base, "the benchmark's model")
    choice = LossChoice("tofu", {"gamma": 3.0, "beta": 0.8}, fused=variant == "fused")
    return trainer_class()(choice, layer, strict=True, **arguments)


def measure(variant: str, model: str, length: int, steps: int, threads: int) -> None:
    """Child process: print the median seconds of a step and the peak above the state before."""
    import torch
    from transformers import TrainerCallback

    torch.set_num_threads(threads)
    marks: list[float] = []
    before = 0

    class Clock(TrainerCallback):  # type: ignore[misc]  # an untyped base
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            nonlocal before
            # What loading left to the allocator would hide a part of what the steps take.
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            before = memory("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_for(variant, model, Path(folder), length, steps + 1)
        trainer.add_callback(Clock())
        trainer.train()
    seconds = [after - start for start, after in itertools.pairwise(marks)]
    print(json.dumps({"seconds": statistics.median(seconds), "extra": memory("VmHWM") - before}))


def child(variant: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable, __file__, "--model", arguments.model, "--length", str(arguments.length),
        "--steps", str(arguments.steps), "--threads", str(arguments.threads), "--measure", variant,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{variant} failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="folder or Hub id of a causal language model")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=4, help="measured steps of each process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.model, arguments.length, arguments.steps, arguments.threads)
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for round_ in range(arguments.rounds):
        for name in VARIANTS[round_ % 3 :] + VARIANTS[: round_ % 3]:
            found[name].append(child(name, arguments))
            print(
                f"round {round_ + 1}, {name}: {found[name][-1]['seconds']:.2f} s a step, "
                f"{found[name][-1]['extra'] / 2**20:.0f} MiB above the state before",
                flush=True,
            )
    seconds = {name: statistics.median(each["seconds"] for each in found[name]) for name in VARIANTS}
    extra = {name: statistics.median(each["extra"] for each in found[name]) for name in VARIANTS}
    print(
        json.dumps(
            {
                "benchmark": "training_step",
                "length": arguments.length,
                "rounds": arguments.rounds,
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
                "extra_mib": {name: round(value / 2**20, 1) for name, value in extra.items()},
                "time_fused_over_plain": round(seconds["fused"] / seconds["plain"], 3),
                "time_fused_over_stock": round(seconds["fused"] / seconds["stock"], 3),
                "memory_fused_over_plain": round(extra["fused"] / extra["plain"], 3),
                "memory_fused_over_stock": round(extra["fused"] / extra["stock"], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
