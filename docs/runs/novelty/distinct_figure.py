"""Distinct of the curated prompts by category, by each of the kept runs' tests, with standard errors.

    python docs/runs/novelty/distinct_figure.py

Reads docs/runs/novelty/*-curated/results.json, writes docs/images/novelty.png.
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
TESTS = {
    "trained": ("distinct", "small DeBERTa", "#1b6ca8"),
    "rouge1": ("distinct_rouge1", "ROUGE-1", "#d98e04"),
    "exact": ("distinct_exact", "equal texts", "#8a8a8a"),
}
CATEGORIES = {
    "": "all prompts",
    ".creativity": "creativity",
    ".character-entity-naming": "naming",
    ".product-purchase-recommendations": "recommendations",
    ".subjective-rankings-opinions": "opinions",
    ".factual-knowledge": "factual knowledge",
    ".random-generation-selection": "random choices",
}


def main() -> None:
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for place, (run, (metric, label, colour)) in enumerate(TESTS.items()):
        results = json.loads((HERE / f"{run}-curated" / "results.json").read_text("utf-8"))["results"]
        (values,) = results.values()
        means = [values[f"{metric}{category},none"] for category in CATEGORIES]
        errors = [values[f"{metric}{category}_stderr,none"] for category in CATEGORIES]
        heights = [row + 0.22 * (place - 1) for row in range(len(CATEGORIES))]
        axes.errorbar(means, heights, xerr=errors, fmt="o", color=colour, capsize=3, label=label)
    axes.set_yticks(range(len(CATEGORIES)), list(CATEGORIES.values()))
    axes.invert_yaxis()
    axes.axhline(0.5, color="#dddddd", linewidth=1)
    axes.set_xlim(5, 10.2)
    axes.set_xlabel("Distinct: different answers among ten (mean over prompts, standard error)")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.legend(title="same means", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(HERE.parent.parent / "images" / "novelty.png", dpi=150)


if __name__ == "__main__":
    main()
