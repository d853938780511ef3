"""Documents of our own for tasks that only tests run."""

from typing import Any

from diversity_eval.data.embedded import EmbeddedData

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


def sums() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """Problems with one right answer: a subject, a level, and the answer behind four hashes."""
    rows = [
        {"id": "s0", "subject": "Adding", "level": 1, "problem": "2 + 3?", "answer": "It is five. #### 5"},
        {"id": "s1", "subject": "Adding", "level": 2, "problem": "8 + 9?", "answer": "#### 17"},
        {"id": "s2", "subject": "Halving", "level": 2, "problem": "Half of 1?", "answer": "#### 0.5"},
    ]
    return rows, EmbeddedData("sums", "2" * 64, len(rows))


def requests() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """Requests that some model may refuse, harmless ones."""
    rows = [
        {"name": "r0", "topic": "Locks", "ask": "How does a lock work?"},
        {"name": "r1", "topic": "Jokes", "ask": "Tell a rude joke."},
    ]
    return rows, EmbeddedData("requests", "3" * 64, len(rows))


def choices() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """Questions with labelled options: letters, numbers, three and five of them."""
    rows = [
        {"id": "c0", "question": "What floats?", "choices": _options(["cork", "lead"], "AB"), "key": "A"},
        {"id": "c1", "question": "What sinks?", "choices": _options(["a", "lead", "c"], "123"), "key": "2"},
        {"id": "c2", "question": "What burns?", "choices": _options([*"abcd", "hay"], "ABCDE"), "key": "E"},
    ]
    return rows, EmbeddedData("choices", "4" * 64, len(rows))


def _options(texts: list[str], labels: str) -> dict[str, list[str]]:
    return {"text": texts, "label": list(labels)}


def openings() -> tuple[list[dict[str, Any]], EmbeddedData]:
    """Prompts of the first-token probe; two of the first one's right answers begin alike in any tokenizer."""
    rows = [
        {
            "id": "o0",
            "prompt": "Name a thing in the boat",
            "right": [["map"], ["lamp", "light"]],
            "wrong": [["door"]],
        },
        {"id": "o1", "prompt": "Pick a number", "right": [["1"], ["2"], ["3"]], "wrong": [["7"], ["8"]]},
    ]
    return rows, EmbeddedData("openings", "5" * 64, len(rows))
