"""Documents and response sets for the page, made here without any run: all texts and numbers are made up."""

import random
from collections.abc import Sequence
from typing import Any

from diversity_eval.report.document import document
from tests.report.comparisons import comparison

_VERSE = """
a lantern keeper walked along the harbour wall and counted boats until morning while her brother mended nets
under the stairs nobody had told them that winter would come early this year or that letters from the islands
had stopped so they waited spoke little and kept two chairs by the window for whoever might knock
"""
WORDS = _VERSE.split()


def response_set(
    responses: Sequence[Sequence[Sequence[str] | None]],
    *,
    labels: Sequence[str] = ("m-ce", "m-tofu"),
    prompts: Sequence[str] | None = None,
    values: Sequence[Sequence[float | None]] | None = None,
    title: str = "Short Stories",
) -> dict[str, Any]:
    """A set of one task; `responses` and `values` by source and prompt."""
    count = len(responses[0])
    texts = list(prompts) if prompts is not None else [f"prompt {n}" for n in range(count)]
    return {
        "task": "short_stories",
        "task_title": title,
        "prompts": [{"key": str(n), "text": text} for n, text in enumerate(texts)],
        "sources": [{"row": label, "evaluation": n, "variant": ""} for n, label in enumerate(labels)],
        "responses": [[None if each is None else list(each) for each in line] for line in responses],
        "ratings": [[None] * count for _ in labels],
        "partition": [[None] * count for _ in labels],
        "values": [
            {"column": "short_stories/self_bleu", "by_source": [list(line) for line in values]}
        ] if values is not None else [],
    }  # fmt: skip


def large_document(rows: int = 60, columns: int = 10) -> dict[str, Any]:
    """The document of a small comparison, grown to so many rows and headline columns; some cells missing."""
    draw = random.Random(4)
    made = document(comparison(), title="A large comparison")
    row, column, cell = made["rows"][0], made["columns"][0], made["cells"][1]
    made["rows"] = [
        {**row, "label": f"model-{n // 6}-loss-{n % 6}", "model": f"model-{n // 6}", "baseline": n == 0}
        for n in range(rows)
    ]
    made["columns"] = [
        {**column, "key": f"task-{n // 2}/metric-{n % 2}", "task_title": f"Task {n // 2}",
         "title": f"Metric {n % 2}", "headline": True, "higher_is_better": bool(n % 2)}
        for n in range(columns)
    ]  # fmt: skip
    made["columns"][0]["key"] = "short_stories/self_bleu"
    made["cells"] = [
        {**cell, "row": r, "column": c, "mean": draw.gauss(20, 5), "best": draw.random() < 0.1}
        for r in range(rows) for c in range(columns) if draw.random() < 0.95
    ]  # fmt: skip
    made["planes"], made["published"] = [], []
    return made


def large_responses(rows: int = 60, prompts: int = 229, samples: int = 10, words: int = 12) -> dict[str, Any]:
    """Responses of all of the large document's rows."""
    draw = random.Random(5)
    labels = [f"model-{n // 6}-loss-{n % 6}" for n in range(rows)]

    def sampled() -> list[str]:
        return [" ".join(draw.choices(WORDS, k=words)) for _ in range(samples)]

    texts = [[sampled() for _ in range(prompts)] for _ in labels]
    values = [[draw.gauss(20, 5) for _ in range(prompts)] for _ in labels]
    return response_set(texts, labels=labels, values=values)
