"""Documents of our own for tasks that only tests run."""

from typing import Any

from diversity_eval.demo.documents import EmbeddedData

QUESTIONS = (
    "What floats?",
    "Where does the path by the river lead?",
    "Who painted the door of the mill red?",
    "When do the swallows come back?",
    "Why is the lamp still on?",
)


def questions() -> tuple[list[dict[str, Any]], EmbeddedData]:
    rows = [{"id": f"q{i}", "question": question} for i, question in enumerate(QUESTIONS)]
    return rows, EmbeddedData("questions", "0" * 64, len(rows))


def ideas() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """As NoveltyBench's curated prompts: an id and a category beside each."""
    categories = ("Places & Paths", "Colours", "Places & Paths", "Colours", "Lamps")
    rows = [
        {"id": f"curated-{i}", "category": category, "prompt": question}
        for i, (question, category) in enumerate(zip(QUESTIONS, categories, strict=True))
    ]
    return rows, EmbeddedData("ideas", "1" * 64, len(rows))
