"""Keep what a run shows, without the benchmark's text: numbers, and a few documents' responses by id.

    python docs/runs/keep_run.py LM_EVAL_OUTPUT_FOLDER docs/runs/NAME

Writes results.json (lm-eval's, without paths of the machine), table.md (all metrics), per_prompt.jsonl
(every document's metrics) and responses.jsonl (the responses to the first documents none of whose
responses quotes its prompt).
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from diversity_eval.metrics.prompt_metrics import diversity_metrics
from diversity_eval.prompting.cleanup import clean_response

KEPT_DOCUMENTS = 3
QUOTED_WORDS = 6
KEPT_RESULTS = ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config")
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:[\w.-]+/)+([\w.-]+)")
KEPT_NOTES = ("partition", "generation_scores", "verdicts", "labels", "attack_success", "distribution")
KEPT_CONFIGURATION = ("task", "generation_kwargs", "repeats", "num_fewshot", "output_type")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    (results_file,) = arguments.source.glob("**/results_*.json")
    results = json.loads(results_file.read_text(encoding="utf-8"))
    arguments.target.mkdir(parents=True, exist_ok=True)
    write(arguments.target / "results.json", json.dumps(shown(results), indent=1, ensure_ascii=False))
    prompts, responses = [], []
    for task in results["configs"]:
        (samples_file,) = arguments.source.glob(f"**/samples_{task}_*.jsonl")
        rows = [json.loads(line) for line in samples_file.read_text(encoding="utf-8").split("\n") if line]
        prompts += [{"task": task, "doc_id": row["doc_id"], **metrics(row), **notes(row)} for row in rows]
        free = [row for row in rows if not quotes_benchmark(row)] if may_be_kept(results, task) else []
        responses += [
            {"task": task, "doc_id": row["doc_id"], "responses": flat(row)} for row in free[:KEPT_DOCUMENTS]
        ]
    write(arguments.target / "per_prompt.jsonl", lines(prompts))
    write(arguments.target / "responses.jsonl", lines(responses))
    write(arguments.target / "table.md", table(results))


def shown(results: dict[str, Any]) -> dict[str, Any]:
    """The results without model paths, prompts (worked examples are in the tasks) and machine details."""
    kept = {key: results[key] for key in KEPT_RESULTS if key in results}
    for task, config in kept["configs"].items():
        record = config["metadata"].get("diversity_eval", {})
        if isinstance(record.get("data"), dict) and "location" in record["data"]:
            record["data"]["location"] = Path(record["data"]["location"]).name
        chosen = {key: config[key] for key in KEPT_CONFIGURATION if key in config}
        kept["configs"][task] = {**chosen, "metadata": {"diversity_eval": record}}
    cleaned: dict[str, Any] = bare(kept)
    return cleaned


def bare(value: Any) -> Any:
    """The same with file names in the place of absolute paths, which say nothing elsewhere."""
    if isinstance(value, dict):
        return {key: bare(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [bare(entry) for entry in value]
    return ABSOLUTE.sub(r"\1", value) if isinstance(value, str) else value


def flat(row: dict[str, Any]) -> list[str]:
    logged = row["resps"] if row["metrics"] == ["bypass"] else row["filtered_resps"]
    return [text for request in logged for text in request]


def metrics(row: dict[str, Any]) -> dict[str, float]:
    """The logged metrics; for a stock task, which has none, those of its responses."""
    if row["metrics"] != ["bypass"]:
        return {name: round(row[name], 6) for name in row["metrics"]}
    responses = [clean_response(text) for request in row["resps"] for text in request]
    return {name: round(value, 6) for name, value in diversity_metrics(responses).items()}


def may_be_kept(results: dict[str, Any], task: str) -> bool:
    """Whether responses are texts, and not answers to harmful requests."""
    config = results["configs"][task]
    harmful = config["metadata"].get("diversity_eval", {}).get("measures") == "refusal"
    return config["output_type"] == "generate_until" and not harmful


def notes(row: dict[str, Any]) -> dict[str, Any]:
    """What was found out about the responses beside the metrics; no text of theirs."""
    return {name: row[name] for name in KEPT_NOTES if name in row}


def quotes_benchmark(row: dict[str, Any]) -> bool:
    """Whether some response repeats a run of words of the document."""
    words = " ".join(str(value) for value in row["doc"].values()).lower().split()
    runs = {tuple(words[i : i + QUOTED_WORDS]) for i in range(len(words) - QUOTED_WORDS + 1)}
    for text in flat(row):
        said = text.lower().split()
        if any(tuple(said[i : i + QUOTED_WORDS]) in runs for i in range(len(said) - QUOTED_WORDS + 1)):
            return True
    return False


def table(results: dict[str, Any]) -> str:
    """The results as Markdown: mean, standard error, standard deviation over prompts."""
    names = ("task", "documents", "metric", "mean", "standard error", "standard deviation")
    out = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for task, values in results["results"].items():
        count = results["n-samples"].get(task, {}).get("effective", "")  # a group has none
        for key, value in values.items():
            name, _, kind = key.partition(",")
            if not kind or name.endswith(("_std", "_stderr")) or not isinstance(value, float):
                continue
            error, spread = values.get(f"{name}_stderr,{kind}"), values.get(f"{name}_std,{kind}")
            cells = [f"{cell:.3f}" if isinstance(cell, float) else "" for cell in (value, error, spread)]
            out.append(f"| {task} | {count} | {name} | {' | '.join(cells)} |")
    return "\n".join(out)


def lines(rows: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
