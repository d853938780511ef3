"""What a rating costs: one pass (`rate`) and batches against one greedy generation after the other.

    python benchmarks/judge.py --model CHECKPOINT

The same judge in float32 rates the same 64 real responses (data/responses.jsonl) with the shipped
instruction rubric: as one would with transformers alone (`generate`, one prompt at a time, 32 new tokens), by
our `generate` mode in batches of 16, and by our `rate` mode. The three take turns; ratios are of the medians.
Then ratings with batches of 1 and 16 are compared, and `diversity-eval score` runs on 10,000 responses whose
verdicts are all stored. Limits: 7x, 2x, equal ratings, 5 s. Ends in one JSON line; exits with status 1 if a
limit is missed.
"""

import argparse
import json
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.judging import JudgeConfig, Rater, Rating, Verdict, VerdictStore, load_judge
from diversity_eval.judging.backends.transformers import TransformersBackend

DATA = Path(__file__).parent / "data" / "responses.jsonl"
PROMPTS: dict[str, str] = runpy.run_path(str(DATA.with_name("make_responses.py")))["PROMPTS"]
RESPONSES = 64
STORED = 10_000
RATE_LIMIT, GENERATE_LIMIT, CACHED_LIMIT = 7.0, 2.0, 5.0


def material(count: int) -> list[Rating]:
    """Real responses, about ten to a prompt."""
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").split("\n") if line]
    each = -(-count // len(rows))
    items = [
        Rating("instruction", PROMPTS[row["id"]], text) for row in rows for text in row["responses"][:each]
    ]
    return items[:count]


def judge_file(folder: Path, model: str) -> Path:
    path = folder / "judge.yaml"
    path.write_text(json.dumps({"backend": "transformers", "model": model, "dtype": "float32"}), "utf-8")
    return path


def one_by_one(model: Any, tokenizer: Any, prompts: Sequence[str]) -> int:
    """Ratings as transformers alone gives them; the tokens computed."""
    import torch

    tokens = 0
    for prompt in prompts:
        if tokenizer.chat_template:
            text = tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
        else:
            text = f"{tokenizer.bos_token or ''}{prompt}\n"
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.inference_mode():
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False,
                pad_token_id=tokenizer.pad_token_id or 0,
            )  # fmt: skip
        tokens += out.shape[1] - 1
    return tokens


def judged(backend: TransformersBackend, prompts: Sequence[str]) -> list[Verdict]:
    found: dict[int, Verdict] = {}
    backend.judge(prompts, found.__setitem__)
    return [found[index] for index in range(len(prompts))]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


class Filler:
    """Stands for a judge while the store is filled: what is timed afterwards asks none."""

    def judge(self, prompts: Sequence[str], on_verdict: Callable[[int, Verdict], None]) -> None:
        for index, prompt in enumerate(prompts):
            on_verdict(index, Verdict(len(prompt) % 6, "Total rating: N", expected_rating=2.5, entropy=1.0))

    def signature_fields(self) -> dict[str, str]:
        return {}

    def record(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


def cached_seconds(config: JudgeConfig, yaml: Path, folder: Path) -> tuple[float, float]:
    """Seconds for 10,000 stored verdicts: looking them up, and the whole `diversity-eval score` command."""
    items = material(RESPONSES * 12)
    ratings = [
        Rating(
            "instruction", items[at // 10 % len(items)].prompt, f"{items[at % len(items)].response} ({at})"
        )
        for at in range(STORED)
    ]
    rows = [
        {"id": at, "prompt": ratings[at].prompt, "responses": [r.response for r in ratings[at : at + 10]]}
        for at in range(0, STORED, 10)
    ]
    source = folder / "responses.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    store = folder / "verdicts.sqlite"
    filler = Rater(config, VerdictStore(store), open_with=lambda _: Filler(), progress=False)
    filler.rate(ratings)
    filler.close()
    rater = Rater(config, VerdictStore(store), open_with=_refuse, progress=False)
    looked_up, verdicts = timed(lambda: rater.rate(ratings))
    assert len(verdicts) == STORED
    rater.close()
    command = [
        sys.executable, "-c", "from diversity_eval.cli import main; main()", "score", str(source),
        "--judge", str(yaml), "--verdicts", str(store), "-o", str(folder / "scored"), "--embeddings", "none",
        "--json",
    ]  # fmt: skip
    whole, finished = timed(lambda: subprocess.run(command, capture_output=True, text=True, check=False))
    if finished.returncode != 0:
        sys.exit(f"diversity-eval score failed:\n{finished.stderr[-2000:]}")
    return looked_up, whole


def _refuse(config: JudgeConfig) -> Any:
    raise AssertionError(f"{config.name} was asked although every verdict is stored")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="folder or Hub id of a causal language model")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()

    from dataclasses import replace

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory() as temporary:
        yaml = judge_file(Path(temporary), arguments.model)
        config = load_judge(str(yaml))
        looked_up, whole = cached_seconds(config, yaml, Path(temporary))
    print(f"10,000 stored verdicts: {looked_up:.2f} s to look up, {whole:.2f} s for the whole score command")

    items = material(RESPONSES)
    prompts = [
        config.rubric("instruction").render(item.prompt, item.response, lowest=0, highest=5) for item in items
    ]
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    own = statistics.fmean(len(tokenizer(item.response).input_ids) for item in items)
    rate = TransformersBackend(replace(config, mode="rate"))
    generate = TransformersBackend(replace(config, mode="generate"))
    work: dict[str, Callable[[], Any]] = {
        "one_by_one": lambda: one_by_one(model, tokenizer, prompts),
        "generate": lambda: judged(generate, prompts),
        "rate": lambda: judged(rate, prompts),
    }
    one_by_one(model, tokenizer, prompts[:1])  # the first calls of a process are slow
    judged(rate, prompts[:2])
    judged(generate, prompts[:2])
    seconds: dict[str, list[float]] = {name: [] for name in work}
    tokens: dict[str, float] = {}
    backends = {"rate": rate, "generate": generate}
    for _ in range(arguments.rounds):
        for name, run in work.items():
            before = backends[name].record()["tokens_computed"] if name in backends else 0
            spent, result = timed(run)
            seconds[name].append(spent)
            computed = result if name == "one_by_one" else backends[name].record()["tokens_computed"] - before
            tokens[name] = computed / RESPONSES
            speed = f"{RESPONSES / spent:.2f} ratings/s, {tokens[name]:.0f} tokens a rating"
            print(f"{name}: {spent:.1f} s, {speed}")
    per_second = {name: RESPONSES / statistics.median(values) for name, values in seconds.items()}
    sixteen = judged(rate, prompts)
    one = judged(TransformersBackend(replace(config, mode="rate", concurrency=1)), prompts)
    equal = all(a.rating == b.rating for a, b in zip(one, sixteen, strict=True))
    difference = max(
        abs((a.expected_rating or 0) - (b.expected_rating or 0)) for a, b in zip(one, sixteen, strict=True)
    )
    ratios = {name: per_second[name] / per_second["one_by_one"] for name in ("rate", "generate")}
    report = {
        "benchmark": "judge", "responses": RESPONSES,
        "ratings_per_second": {name: round(value, 3) for name, value in per_second.items()},
        "rate_ratio": round(ratios["rate"], 2), "rate_limit": RATE_LIMIT,
        "generate_ratio": round(ratios["generate"], 2), "generate_limit": GENERATE_LIMIT,
        "tokens_per_rating": {**{name: round(value, 1) for name, value in tokens.items()},
                              "least_possible": round(own, 1)},
        "ratings_equal_batch_1_and_16": equal, "largest_difference_of_expected_rating": difference,
        "cached_lookup_seconds": round(looked_up, 2), "cached_command_seconds": round(whole, 2),
        "cached_limit": CACHED_LIMIT,
        "passed": ratios["rate"] >= RATE_LIMIT and ratios["generate"] >= GENERATE_LIMIT and equal
        and whole < CACHED_LIMIT,
    }  # fmt: skip
    print(json.dumps(report))
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
