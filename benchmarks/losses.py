"""The fused TOFU against the plain one and against plain cross entropy: time and memory of the loss alone.

    python benchmarks/losses.py

Hidden states of size 512 and a frozen output layer, in float32: 1,024 tokens x 32,000 words and 512 tokens x
128,256 words, forward and backward, on two threads. `plain_tofu` is the obvious way: all logits, log-softmax
at both temperatures. `plain_ce` is `F.cross_entropy` of all logits. For time the three take turns in one
process; the ratios are of the medians. For memory each has a process of its own: how far its peak lies above
what it held before, for ours with twice and four times the tokens too. Value and gradient of the two TOFUs
are compared. Limits: 0.25x the extra memory and 1.0x the time of `plain_tofu`, 1.25x the time of `plain_ce`;
what is needed beyond the hidden states' gradient grows at most 1.1x from one to four times the tokens; value
within 1e-6, gradient within 5e-6. Ends in one JSON line; exits with status 1 if a limit is missed. Needs
Linux (/proc) and the extra `train`. A whole training step: training_step.py.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Variant = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

SHAPES = ((1024, 32_000), (512, 128_256))
SIZE = 512
GAMMA, BETA = 3.0, 0.8
MULTIPLES = (1, 2, 4)
MEMORY_LIMIT, TIME_LIMIT, CE_TIME_LIMIT, GROWTH_LIMIT = 0.25, 1.0, 1.25, 1.1
VALUE_LIMIT, GRADIENT_LIMIT = 1e-6, 5e-6


def plain_tofu(hidden: "torch.Tensor", weight: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    logits = hidden @ weight.T
    index = labels.unsqueeze(1)
    # Detached, as whoever wrote it with care would: a graph here would cost it one more tensor of that size.
    log_p = logits.detach().log_softmax(-1).gather(1, index)
    p = log_p.exp()
    scaling = (1 - p) ** GAMMA - GAMMA * p * (1 - p) ** (GAMMA - 1) * log_p
    tempered = (logits / BETA).log_softmax(-1).gather(1, index)
    return -(scaling * BETA * tempered).mean()


def plain_ce(hidden: "torch.Tensor", weight: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    import torch

    return torch.nn.functional.cross_entropy(hidden @ weight.T, labels)


def fused_tofu(hidden: "torch.Tensor", weight: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    from diversity_eval.training.losses import fused_linear_loss

    return fused_linear_loss("tofu", hidden, weight, labels, gamma=GAMMA, beta=BETA)


VARIANTS: "dict[str, Variant]" = {"plain_tofu": plain_tofu, "plain_ce": plain_ce, "fused_tofu": fused_tofu}


def inputs(tokens: int, vocabulary: int) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """Logits of about 2, as a trained model's are; a third of the labels is the likeliest of a few words."""
    import torch

    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(tokens, SIZE, generator=generator)
    weight = torch.randn(vocabulary, SIZE, generator=generator).mul_(2 / SIZE**0.5)
    labels = torch.randint(vocabulary, (tokens,), generator=generator)
    labels[::3] = (hidden[::3] @ weight[:1000].T).argmax(1)
    return hidden.requires_grad_(), weight, labels


def run(variant: str, hidden: "torch.Tensor", weight: "torch.Tensor", labels: "torch.Tensor") -> float:
    import torch

    hidden.grad = None
    loss = VARIANTS[variant](hidden, weight, labels)
    torch.autograd.backward(loss)
    return loss.item()


def differences(tokens: int, vocabulary: int) -> tuple[float, float]:
    """How far the fused TOFU is from the plain one, relatively: value, and gradient in the Frobenius norm."""
    import torch

    hidden, weight, labels = inputs(tokens, vocabulary)
    expected = run("plain_tofu", hidden, weight, labels)
    gradient = hidden.grad
    found = run("fused_tofu", hidden, weight, labels)
    assert gradient is not None
    assert hidden.grad is not None
    distance = torch.linalg.vector_norm(hidden.grad - gradient) / torch.linalg.vector_norm(gradient)
    return abs(found / expected - 1), float(distance)


def times(tokens: int, vocabulary: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round; another variant begins each time, and a round before them warms up."""
    hidden, weight, labels = inputs(tokens, vocabulary)
    names = list(VARIANTS)
    found: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds + 1):
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            begin = time.perf_counter()
            run(name, hidden, weight, labels)
            if round_ > 0:
                found[name].append(time.perf_counter() - begin)
    return found


def status(name: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS is now, VmHWM the most since it was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {name}: this needs Linux")


def measure_memory(variant: str, tokens: int, vocabulary: int) -> None:
    """In a process of its own: print how many bytes above the inputs one forward and backward needed at most.

    The peak is the kernel's, of all memory that was touched, allocator and libraries included. It is reset
    once the inputs are there and a tiny run has loaded what loads at first use. getrusage's ru_maxrss would
    not do: it cannot be reset, and starts at the size of the process that this one was started from.
    """
    run(variant, *inputs(3, 2000))
    hidden, weight, labels = inputs(tokens, vocabulary)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    run(variant, hidden, weight, labels)
    print(json.dumps(status("VmHWM") - before))


def memory(variant: str, tokens: int, vocabulary: int, threads: int) -> int:
    command = [
        sys.executable, __file__, "--threads", str(threads),
        "--memory-of", variant, str(tokens), str(vocabulary),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{variant} failed:\n{done.stderr[-2000:]}")
    return int(done.stdout.strip().splitlines()[-1])


def measure(tokens: int, vocabulary: int, rounds: int, threads: int) -> dict[str, Any]:
    value, gradient = differences(tokens, vocabulary)
    seconds = times(tokens, vocabulary, rounds)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    extra = {name: memory(name, tokens, vocabulary, threads) for name in VARIANTS}
    beyond = [
        memory("fused_tofu", multiple * tokens, vocabulary, threads) - multiple * tokens * SIZE * 4
        for multiple in MULTIPLES
    ]
    memory_ratio = extra["fused_tofu"] / extra["plain_tofu"]
    time_ratio = medians["fused_tofu"] / medians["plain_tofu"]
    ce_ratio = medians["fused_tofu"] / medians["plain_ce"]
    growth = beyond[-1] / beyond[0]
    limits = (
        memory_ratio <= MEMORY_LIMIT, time_ratio <= TIME_LIMIT, ce_ratio <= CE_TIME_LIMIT,
        growth <= GROWTH_LIMIT, value <= VALUE_LIMIT, gradient <= GRADIENT_LIMIT,
    )  # fmt: skip
    return {
        "tokens": tokens,
        "vocabulary": vocabulary,
        "seconds": {name: round(each, 3) for name, each in medians.items()},
        "fused_seconds_by_round": [round(each, 3) for each in seconds["fused_tofu"]],
        "time_over_plain_tofu": round(time_ratio, 3),
        "time_over_plain_ce": round(ce_ratio, 3),
        "extra_mib": {name: round(each / 2**20, 1) for name, each in extra.items()},
        "memory_over_plain_tofu": round(memory_ratio, 3),
        "beyond_hidden_gradient_mib": {
            f"{multiple}x": round(each / 2**20, 1) for multiple, each in zip(MULTIPLES, beyond, strict=True)
        },
        "growth_to_4x_tokens": round(growth, 3),
        "value_difference": value,
        "gradient_difference": gradient,
        "passed": all(limits),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    if given.memory_of:
        variant, tokens, vocabulary = given.memory_of
        measure_memory(variant, int(tokens), int(vocabulary))
        return 0
    results = []
    for tokens, vocabulary in SHAPES:
        result = measure(tokens, vocabulary, given.rounds, given.threads)
        results.append(result)
        print(
            f"{tokens} tokens x {vocabulary}: {result['seconds']['fused_tofu']} s, "
            f"{result['time_over_plain_tofu']}x of plain TOFU (limit {TIME_LIMIT}x), "
            f"{result['time_over_plain_ce']}x of plain CE (limit {CE_TIME_LIMIT}x); "
            f"{result['extra_mib']['fused_tofu']} MiB, {result['memory_over_plain_tofu']}x of plain TOFU "
            f"(limit {MEMORY_LIMIT}x); beyond the hidden gradient with 1x, 2x, 4x the tokens: "
            f"{', '.join(str(each) for each in result['beyond_hidden_gradient_mib'].values())} MiB",
            flush=True,
        )
    passed = all(result["passed"] for result in results)
    print(json.dumps({"benchmark": "losses", "rounds": given.rounds, "passed": passed, "results": results}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
