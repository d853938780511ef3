"""The tables and the curves of docs/runs/training.md, from what was kept of the runs.

python docs/runs/training_figure.py     # reads docs/runs/training/*, writes docs/images/training.png
"""

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from diversity_eval.metrics.statistics import paired_test, standard_error

HERE = Path(__file__).parent / "training"
# Name, label, colour (Okabe and Ito's, told apart with any kind of colour vision), dash.
RUNS = (
    ("ce", "CE", "#000000", "-"),
    ("focal", "Focal", "#E69F00", "--"),
    ("gem", "GEM", "#0072B2", "-."),
    ("pr", "λ-PR", "#CC79A7", ":"),
    ("tofu", "TOFU", "#009E73", "-"),
    ("tofu_nf4", "TOFU, NF4", "#D55E00", "--"),
)
PANELS = (("p_label", "mean probability of the label"), ("entropy", "output entropy (nats)"))
TASKS = {"short_stories": "Short Stories", "small_prompts": "Small Prompts"}
METRICS = ("self_bleu", "distinct_2", "unique_fraction", "mean_words")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def per_prompt(run: str, task: str, metric: str) -> list[float]:
    """A metric's value of each prompt of a benchmark; the base checkpoint was asked by the `_base` tasks."""
    found = [row for row in rows(HERE / run / "per_prompt.jsonl") if row["task"].startswith(task)]
    return [row[metric] for row in sorted(found, key=lambda row: int(row["doc_id"]))]


def kept() -> list[tuple[str, str, str, str]]:
    return [run for run in RUNS if (HERE / run[0] / "log.jsonl").is_file()]


def training_table() -> None:
    print("| loss | steps | seconds a step | last loss | mean p of the label | output entropy |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for run, label, _, _ in kept():
        last = rows(HERE / run / "log.jsonl")[-1]
        record = json.loads((HERE / run / "record.json").read_text(encoding="utf-8"))
        steps = record["results"]["steps"]
        print(
            f"| {label} | {steps} | {record['results']['seconds'] / steps:.1f} | {last['loss']:.3f} | "
            f"{last['p_label']:.3f} | {last['entropy']:.3f} |"
        )


def diversity_table() -> None:
    runs = [("base", "base", "", ""), *kept()]
    runs = [run for run in runs if (HERE / run[0] / "per_prompt.jsonl").is_file()]
    for task, title in TASKS.items():
        print(f"\n{title}, {len(per_prompt('base', task, 'self_bleu'))} prompts\n")
        print("| checkpoint | Self-BLEU | minus CE's | distinct-2 | unique fraction | words |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        ce = per_prompt("ce", task, "self_bleu")
        for run, label, _, _ in runs:
            values = {metric: per_prompt(run, task, metric) for metric in METRICS}
            against = ""
            if run not in ("ce", "base"):
                test = paired_test(values["self_bleu"], ce, seed=0)
                against = f"{test.difference:+.1f} (p {test.p_value:.4f})"
            shown = values["self_bleu"]
            print(
                f"| {label} | {statistics.mean(shown):.1f} ± {standard_error(shown):.1f} | {against} | "
                f"{statistics.mean(values['distinct_2']):.3f} | "
                f"{statistics.mean(values['unique_fraction']):.3f} | "
                f"{statistics.mean(values['mean_words']):.1f} |"
            )


def curves() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), dpi=150)
    for axis, (key, title) in zip(axes, PANELS, strict=True):
        for run, label, colour, dash in kept():
            log = rows(HERE / run / "log.jsonl")
            axis.plot(
                [row["step"] for row in log],
                [row[key] for row in log],
                color=colour, linestyle=dash, label=label, linewidth=1.6,
            )  # fmt: skip
        axis.set_xlabel("optimiser step")
        axis.set_title(title, fontsize=10)
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(HERE.parent.parent / "images" / "training.png")


def main() -> None:
    training_table()
    diversity_table()
    curves()


if __name__ == "__main__":
    main()
