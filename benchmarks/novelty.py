"""NoveltyBench's partition in batched waves against one pair at a time.

    python benchmarks/novelty.py

Twenty groups of ten real responses (data/responses.jsonl) are put into classes by the same DeBERTa-v2
classifier of about 5 M parameters (built here with random weights: its speed is the point, not its opinion;
the threshold is the median of its probabilities, so that there are classes of all sizes): by the procedure
that compares one pair at a time, as NoveltyBench's own script does, and by ours, with a new store. The two
take turns; the ratio is of the medians. The partitions have to be the same. Then a small Gemma-2 reward model
scores the classes, and two processes of their own say how much memory they took at most: one puts 100
responses to a prompt into classes, the other compares a single batch of the longest of them. Limits: 1.4x,
equal partitions, as many rewards as classes, 1.15x the memory. Ends in one JSON line; exits with status 1 if
a limit is missed.
"""

import argparse
import itertools
import json
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diversity_eval.judging.novelty.classifier import TransformersClassifier
from diversity_eval.judging.novelty.comparer import Comparer
from diversity_eval.judging.novelty.config import ClassifierConfig, RewardConfig
from diversity_eval.judging.novelty.items import Answer
from diversity_eval.judging.novelty.pairwise import PairwiseNovelty
from diversity_eval.judging.novelty.rewarder import Rewarder
from diversity_eval.judging.result_store import ResultStore
from diversity_eval.metrics.novelty import distinct, short_responses_same

HERE = Path(__file__).parent
DATA = HERE / "data" / "responses.jsonl"
MODELS = HERE.parent / "tests" / "judging" / "novelty" / "models.py"
SPEED_LIMIT, MEMORY_LIMIT = 1.4, 1.15
PROMPTS_K100 = 2


def groups(count: int, k: int) -> list[list[str]]:
    """Real responses, each group's to one prompt."""
    rows = [json.loads(line)["responses"] for line in DATA.read_text("utf-8").split("\n") if line]
    found = [row[begin : begin + k] for begin in range(0, len(rows[0]) - k + 1, k) for row in rows]
    return found[:count]


def build(folder: Path) -> None:
    models = runpy.run_path(str(MODELS))
    texts = [text for group in groups(72, 10) for text in group]
    models["build_classifier"](
        folder / "classifier", sentences=texts, pieces=12000, hidden_size=192, num_hidden_layers=5,
        num_attention_heads=6, intermediate_size=768, position_buckets=64, initializer_range=0.05,
    )  # fmt: skip
    models["build_reward_model"](folder / "reward")


def one_pair_at_a_time(model: Any, tokenizer: Any, responses: Sequence[str], threshold: float) -> list[int]:
    """The procedure as it is written down, with transformers alone."""
    import torch

    classes = [-1] * len(responses)
    opened = 0
    for i, head in enumerate(responses):
        if classes[i] != -1:
            continue
        classes[i] = opened
        for j in range(i + 1, len(responses)):
            if classes[j] != -1:
                continue
            same = short_responses_same(head, responses[j])
            if same is None:
                a, b = (
                    tokenizer(text, add_special_tokens=False, truncation=True, max_length=128).input_ids
                    for text in (head, responses[j])
                )
                sep, cls = tokenizer.sep_token_id, tokenizer.cls_token_id
                with torch.inference_mode():
                    logits = model(input_ids=torch.tensor([[cls, *a, sep, *b, sep]])).logits
                same = bool(logits.softmax(-1)[0, 1] > threshold)
            if same:
                classes[j] = opened
        opened += 1
    return classes


def metric(folder: Path, store: Path, threshold: float, *, reward: bool = False) -> PairwiseNovelty:
    config = ClassifierConfig("random", "classifier", model=str(folder / "classifier"), threshold=threshold)
    results = ResultStore(store)
    rewards = RewardConfig("random", "transformers", model=str(folder / "reward"), dtype="float32")
    return PairwiseNovelty(
        Comparer(config, results, progress=False),
        Rewarder(rewards, results, progress=False) if reward else None,
        results,
    )


def answers(texts: Sequence[Sequence[str]]) -> list[list[Answer]]:
    return [[Answer(f"prompt {n}", text) for text in group] for n, group in enumerate(texts)]


def median_probability(folder: Path, texts: Sequence[Sequence[str]]) -> float:
    test = TransformersClassifier(ClassifierConfig("random", "classifier", str(folder / "classifier")))
    pairs = [(a, b) for group in answers(texts) for a, b in itertools.pairwise(group)]
    found: list[float] = []
    test.compare(pairs, lambda batch: found.extend(c.probability or 0.0 for _, c in batch))
    return statistics.median(found)


def memory_of(folder: Path, k: int, threshold: float) -> None:
    """In a process of its own: judge (k = 0: compare one batch of the longest responses), print the peak."""
    with tempfile.TemporaryDirectory() as store:
        judged = metric(folder, Path(store) / "novelty.sqlite", threshold)
        test = judged.comparer.open()
        if k:
            judged.judge(answers(groups(PROMPTS_K100, k)))
            compared = judged.comparer.asked
        else:
            texts = [text for group in groups(PROMPTS_K100, 100) for text in group]
            longest = [Answer("", text) for text in sorted(texts, key=len)[-9:]]
            test.compare([(longest[0], other) for other in longest[1:]], lambda batch: None)
            compared = 8
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mib": peak, "compared": compared}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        folder, k, threshold = json.loads(given.memory_of)
        memory_of(Path(folder), k, threshold)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build(folder)
        report = measure(folder, groups(given.groups, 10), given.rounds)
    print(json.dumps(report))
    sys.exit(0 if report["passed"] else 1)


def measure(folder: Path, texts: list[list[str]], rounds: int) -> dict[str, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    threshold = median_probability(folder, texts)
    tokenizer = AutoTokenizer.from_pretrained(folder / "classifier")
    model = AutoModelForSequenceClassification.from_pretrained(folder / "classifier").eval()
    ours: list[float] = []
    single: list[float] = []
    for number in range(rounds):
        begin = time.perf_counter()
        expected = [one_pair_at_a_time(model, tokenizer, group, threshold) for group in texts]
        single.append(time.perf_counter() - begin)
        judged = metric(folder, folder / f"{number}.sqlite", threshold)
        judged.open()
        begin = time.perf_counter()
        found = [list(result.partition) for result in judged.judge(answers(texts))]
        ours.append(time.perf_counter() - begin)
        comparer, running = judged.comparer, judged.comparer.open().record()
        judged.close()
    scored = metric(folder, folder / "reward.sqlite", threshold, reward=True)
    results = scored.judge(answers(texts))
    rewards = scored.rewarder.asked if scored.rewarder is not None else 0
    scored.close()
    classes = sum(distinct(result.partition) for result in results)
    peaks = {k: in_process(folder, k, threshold) for k in (0, 100)}
    ratio = statistics.median(single) / statistics.median(ours)
    memory = peaks[100]["peak_mib"] / peaks[0]["peak_mib"]
    report = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "one_pair_at_a_time_s": round(statistics.median(single), 2),
        "waves_s": round(statistics.median(ours), 2),
        "speedup": round(ratio, 2),
        "speedup_by_round": [round(a / b, 2) for a, b in zip(single, ours, strict=True)],
        "same_partitions": found == expected,
        "classes": classes,
        "rewards_asked": rewards,
        "pairs_by_classifier": comparer.asked,
        "pairs_by_rule": comparer.by_rule,
        "pairs_saved_as_repeated": comparer.repeated,
        "padding_share_of_tokens": round(running["padding"] / (running["padding"] + running["tokens"]), 3),
        "peak_memory_k100_over_one_batch": round(memory, 3),
        "pairs_k100": peaks[100]["compared"],
    }
    limits = (
        ratio >= SPEED_LIMIT, found == expected, rewards == classes, memory <= MEMORY_LIMIT,
    )  # fmt: skip
    return {**report, "passed": all(limits)}


def in_process(folder: Path, k: int, threshold: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--memory-of", json.dumps([str(folder), k, threshold])]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    loaded: dict[str, float] = json.loads(out.strip().split("\n")[-1])
    return loaded


if __name__ == "__main__":
    main()
