"""Output folders of lm_eval in small, as this project's tasks write them; all texts are made up here."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diversity_eval.metrics.signature import Signature, metric_fields
from diversity_eval.metrics.statistics import mean

FIELDS: Mapping[str, str] = {
    "k": "2", "temperature": "1", "top_p": "0.9", "top_k": "0", "max_new_tokens": "64",
    "data": "0c12f65b572a",
    "lm_eval": "0.4.13", "prompt": "chat@4e28a51badb6", "version": "0.1.0",
}  # fmt: skip
DIRECTIONS = {
    "self_bleu": False,
    "quality": True,
    "distinct": True,
    "utility": True,
    "accuracy": True,
    "asr": False,
}
OWN = {
    "self_bleu": metric_fields("self_bleu"),
    "quality": {"judge": "a judge", "rubric": "story@1", "scale": "0-5"},
}


def write_run(
    folder: Path,
    model: str,
    values: Mapping[str, Sequence[float | None]],
    *,
    task: str = "short_stories",
    time: str = "2026-11-26T10-00-00.000001",
    fields: Mapping[str, str] | None = None,
    available: int | None = None,
    responses: Sequence[Sequence[str]] | None = None,
    notes: Mapping[str, Sequence[Any]] | None = None,
    counts: Mapping[str, int] | None = None,
    model_args: object = None,
    places: Sequence[int] | None = None,
    samples: bool = True,
) -> Path:
    """One task of one run; `values` by metric, None where a prompt has none. Returns the results file."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(next(iter(values.values())))
    places = list(places) if places is not None else list(range(count))
    available = available if available is not None else count
    texts = responses or [[f"story {place} by {model}", f"another {place}"] for place in places]
    docs = f"all {count}" if available == count else f"first {count} of {available}"
    run = {**FIELDS, "task": f"{task}@1.0", "docs": docs, "k": str(len(texts[0])), **(fields or {})}
    signatures = {name: str(Signature(name, {**run, **OWN.get(name, {})})) for name in values}
    rows = [
        {
            "doc_id": place,
            "doc": {"prompt": f"prompt {place}"},
            "target": "",
            "arguments": {
                "gen_args_0": {"arg_0": f"sent {place}", "arg_1": {"temperature": 1.0, "until": []}}
            },
            "resps": [list(texts[i])],
            "filtered_resps": [list(texts[i])],
            "filter": "none",
            "metrics": [name for name in values if values[name][i] is not None],
            **{name: values[name][i] for name in values if values[name][i] is not None},
            **{name: entries[i] for name, entries in (notes or {}).items()},
        }
        for i, place in enumerate(places)
    ]
    if samples:
        (folder / f"samples_{task}_{time}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    means = {name: mean([v for v in column if v is not None]) for name, column in values.items()}
    results = {
        "results": {
            task: {
                "sample_len": count,
                **{f"{name},none": value for name, value in means.items()},
                **{f"{name}_stderr,none": 0.5 for name in values},
                **{f"{name},none": value for name, value in (counts or {}).items()},
            }
        },
        "configs": {
            task: {
                "task": task,
                "metadata": {
                    "version": 1.0,
                    "diversity_eval": {"kind": "story", "prompt_field": "prompt", "sample_seed": 7,
                                       "signatures": signatures, "run_fields": run},
                },
            }
        },
        "versions": {task: 1.0},
        "higher_is_better": {task: {name: DIRECTIONS[name] for name in values if name in DIRECTIONS}},
        "n-samples": {task: {"original": available, "effective": count}},
        "config": {"model": "hf", "model_args": model_args or {"pretrained": model}, "limit": None},
        "model_name": model,
        "lm_eval_version": "0.4.13",
        "date": 1795702287.75,
    }  # fmt: skip
    path = folder / f"results_{time}.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    return path


def leaderboard(folder: Path, prompts: list[str]) -> None:
    """NoveltyBench's scores of these prompts, in classes of one."""
    folder.mkdir(parents=True)
    lines = [
        json.dumps({"id": f"curated-{n}", "prompt": prompt, "model": "other", "generations": ["a", "b"],
                    "partition": [0, 1], "distinct": 2, "utility": 5.0})
        for n, prompt in enumerate(prompts)
    ]  # fmt: skip
    (folder / "scores.jsonl").write_text("\n".join(lines), encoding="utf-8")


def novelty_run(folder: Path) -> None:
    """A run of our task, whose documents have the benchmark's own ids."""
    results = write_run(folder, "ours", {"distinct": [1.0, 2.0], "utility": [3.0, 4.0]}, task="novelty_bench",
                        fields={"metric_version": "1.0", "test": "classifier"})  # fmt: skip
    log = next(folder.glob("samples_*"))
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for n, row in enumerate(rows):
        row["doc"]["id"] = f"curated-{n}"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = json.loads(results.read_text())
    content["configs"]["novelty_bench"]["metadata"]["diversity_eval"]["id_field"] = "id"
    results.write_text(json.dumps(content))
