"""A synthetic corpus of short stories and answers, and the demo's held-out stories and instructions.

The texts come from a small grammar (`data/grammar.yaml`), so the corpus needs no download, has no
author but this project, and is the same for the same seed on every machine.
"""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from diversity_eval.prompting.delimiters import RESPONSE_CLOSE, render_instruct

__all__ = [
    "GRAMMAR_FILE",
    "OPENINGS_FILE",
    "PROMPTS_FILE",
    "STORY_INSTRUCTION",
    "Story",
    "demo_corpus",
    "demo_prompts",
    "read_demo_file",
    "sample_answer",
    "sample_story",
    "story_openings",
]

GRAMMAR_FILE = "grammar.yaml"
OPENINGS_FILE = "story_openings.jsonl"
PROMPTS_FILE = "prompts.jsonl"

STORY_INSTRUCTION = "Write the next sentence of this story.\n{story}"

_SLOT = re.compile(r"\{(\*?)([A-Za-z]+)(\d?)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")
_PRONOUNS = {
    "girls": {"he": "she", "him": "her", "his": "her", "He": "She", "His": "Her"},
    "boys": {"he": "he", "him": "him", "his": "his", "He": "He", "His": "His"},
}
# How often the last sentence is one that would fit any theme.
_CLOSING_SHARE = 0.08
# How often a story that would start with a name starts with a time. A name inside a text is always the
# same token, which makes it far easier to learn that a story's person keeps it.
_LEAD_SHARE = 0.7
_PERSON_FIRST = ("{name}", "{friend}")


@dataclass(frozen=True)
class Story:
    """Four sentences and the fifth, which ends the story."""

    opening: str
    ending: str

    @property
    def text(self) -> str:
        """All five sentences."""
        return f"{self.opening} {self.ending}"


@dataclass(frozen=True)
class _Grammar:
    words: Mapping[str, tuple[str, ...]]
    stories: tuple[tuple[tuple[str, ...], ...], ...]
    closings: tuple[str, ...]
    answers: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def read_demo_file(name: str) -> str:
    """The text of one of the demo's data files."""
    return resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")


def story_openings() -> list[dict[str, str]]:
    """The held-out stories: `id`, `prompt` (four sentences), `response` (the fifth)."""
    return [json.loads(line) for line in read_demo_file(OPENINGS_FILE).splitlines()]


def demo_prompts() -> list[dict[str, str]]:
    """The held-out instructions: `id`, `instruction`."""
    return [json.loads(line) for line in read_demo_file(PROMPTS_FILE).splitlines()]


def sample_story(rng: random.Random, *, ending_lines: int | None = None) -> Story:
    """A story about one person, whose opening is none of the held-out ones.

    With `ending_lines` its ending is one of the first so many that its theme has.
    """
    grammar, held_out = _grammar(), _held_out_openings()
    while True:
        fill = _Fill(rng, grammar.words)
        steps = rng.choice(grammar.stories)
        lines = [rng.choice(step) for step in steps[:-1]]
        if lines[0].startswith(_PERSON_FIRST) and rng.random() < _LEAD_SHARE:
            lines[0] = f"{{lead}} {lines[0]}"
        opening = " ".join(fill(line) for line in lines)
        endings = steps[-1][:ending_lines]
        if ending_lines is None and rng.random() < _CLOSING_SHARE:
            endings = grammar.closings
        ending = fill(rng.choice(endings))
        if opening not in held_out:
            return Story(opening, ending)


def sample_answer(rng: random.Random, *, answer_lines: int | None = None) -> tuple[str, str]:
    """An instruction, none of the held-out ones, and one of its many answers.

    With `answer_lines` the answer is one of the first so many kinds that there are to its theme.
    """
    grammar, held_out = _grammar(), _held_out_instructions()
    while True:
        fill = _Fill(rng, grammar.words)
        asks, answers = rng.choice(grammar.answers)
        instruction, answer = fill(rng.choice(asks)), fill(rng.choice(answers[:answer_lines]))
        if instruction not in held_out:
            return instruction, answer


def demo_corpus(seed: int, *, stories: int, answers: int, continuations: int) -> list[str]:
    """Training documents in a random order that `seed` decides, without special tokens.

    `stories` documents are plain five-sentence stories, `answers` are instructions with an answer, and
    `continuations` are openings with the instruction to write the next sentence; the last two are in
    the instruct format.
    """
    rng = random.Random(seed)
    documents = [sample_story(rng).text for _ in range(stories)]
    documents += [_instruct_document(*sample_answer(rng)) for _ in range(answers)]
    for _ in range(continuations):
        story = sample_story(rng)
        documents.append(_instruct_document(STORY_INSTRUCTION.format(story=story.opening), story.ending))
    rng.shuffle(documents)
    return documents


def _instruct_document(instruction: str, response: str) -> str:
    return f"{render_instruct(instruction)}{response}\n{RESPONSE_CLOSE}"


class _Fill:
    """Fills the slots of one text's lines, so that its person and its things stay the same throughout."""

    def __init__(self, rng: random.Random, words: Mapping[str, tuple[str, ...]]) -> None:
        self._rng = rng
        self._words = words
        gender = rng.choice(("girls", "boys"))
        name = rng.choice(words[gender])
        friend = rng.choice([other for other in words["girls"] + words["boys"] if other != name])
        self._bound = {"name": name, "friend": friend, **_PRONOUNS[gender]}

    def __call__(self, line: str) -> str:
        drawn: list[str] = []
        text = _SLOT.sub(self._value_for(drawn), line)
        text = _ARTICLE.sub(r"\1n ", text)
        return text[0].upper() + text[1:]

    def _value_for(self, drawn: list[str]) -> Callable[[re.Match[str]], str]:
        def value(match: re.Match[str]) -> str:
            fresh, kind, number = match.groups()
            key = kind + number
            if not fresh and key in self._bound:
                return self._bound[key]
            # A sentence that names two things of a kind names two different ones.
            taken = {self._bound.get(kind), self._bound.get(f"{kind}2"), *drawn}
            choice = self._rng.choice([word for word in self._words[kind] if word not in taken])
            drawn.append(choice)
            if not fresh:
                self._bound[key] = choice
            return choice

        return value


@cache
def _grammar() -> _Grammar:
    raw: dict[str, Any] = yaml.safe_load(read_demo_file(GRAMMAR_FILE))
    return _Grammar(
        words={kind: tuple(word.strip() for word in line.split(",")) for kind, line in raw["words"].items()},
        stories=tuple(tuple(_lines(step) for step in steps) for steps in raw["stories"].values()),
        closings=_lines(raw["closings"]),
        answers=tuple((_lines(theme["ask"]), _lines(theme["answer"])) for theme in raw["answers"].values()),
    )


def _lines(block: str) -> tuple[str, ...]:
    return tuple(block.strip().splitlines())


@cache
def _held_out_openings() -> frozenset[str]:
    return frozenset(row["prompt"] for row in story_openings())


@cache
def _held_out_instructions() -> frozenset[str]:
    return frozenset(row["instruction"] for row in demo_prompts())
