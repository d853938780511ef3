"""Judges that answer with one word, over real HTTP; and what such replies' tokens are worth, by hand."""

import math
from dataclasses import dataclass
from typing import Any

import pytest

from diversity_eval.judging.backends.server_replies import Position
from diversity_eval.judging.backends.server_words import word_probabilities
from diversity_eval.judging.config_values import Api, Mode
from diversity_eval.judging.verdict import Verdict
from tests.judging.backends.test_server import PROMPTS, ask, asked
from tests.judging.faulty_judge import FaultyJudge, running, true_rating

WORDS = ("no", "yes")
SETTINGS: dict[str, Any] = {"scale": (0, 1), "words": WORDS, "max_tokens": 4}


def truth(prompt: str) -> int:
    return true_rating(prompt) % 2


@dataclass
class WordJudge(FaultyJudge):
    """Says `Yes` or `No`: 0.7 for the right word in two spellings, 0.2 for the other, 0.1 for `Maybe`."""

    says: str = ""

    def _reply(self, prompt: str, prefilled: bool) -> tuple[str, int | None]:
        assert not prefilled
        return self.says or WORDS[truth(prompt)].capitalize(), 0

    def _likeliest(self, prompt: str, token: str, is_digit: bool) -> list[tuple[str, float]]:
        right, other = WORDS[truth(prompt)], WORDS[1 - truth(prompt)]
        shares = {right.capitalize(): 0.6, f" {right}": 0.1, other: 0.2, "Maybe": 0.1}
        if token not in shares:
            return [(token, math.log(0.9))]
        return [(text, math.log(share)) for text, share in shares.items()]


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("mode", ["rate", "generate"])
def test_every_verdict_is_the_judge_s_word(mode: Mode, api: Api) -> None:
    with running(WordJudge()) as judge:
        verdicts = ask(judge, mode=mode, api=api, **SETTINGS)
    assert {truth(prompt) for prompt in PROMPTS} == {0, 1}
    for prompt, verdict in zip(PROMPTS, verdicts, strict=True):
        word = WORDS[truth(prompt)].capitalize()
        if mode == "generate":
            assert verdict == Verdict(truth(prompt), word)
            continue
        right = 0.7 / 0.9
        assert (verdict.rating, verdict.reply) == (truth(prompt), word)
        assert verdict.scale_mass == pytest.approx(0.9)
        assert verdict.expected_rating == pytest.approx(right if truth(prompt) else 1 - right)


def test_no_fixed_line_is_begun_for_it() -> None:
    with running(WordJudge()) as judge:
        for api in ("chat", "completions"):
            ask(judge, PROMPTS[:1], mode="rate", api=api, **SETTINGS)
    chat, text = asked(judge)
    assert chat["messages"] == [{"role": "user", "content": PROMPTS[0]}]
    assert "continue_final_message" not in chat
    assert text["prompt"] == PROMPTS[0]
    assert "Total rating" not in str(judge.bodies)


@pytest.mark.parametrize("mode", ["rate", "generate"])
def test_another_word_is_no_verdict(mode: Mode) -> None:
    with running(WordJudge(says="Perhaps")) as judge:
        (verdict,) = ask(judge, PROMPTS[:1], mode=mode, **SETTINGS)
    assert (verdict.rating, verdict.failed) == (None, False)
    assert verdict.reason


def place(token: str, probability: float, **others: float) -> Position:
    return Position(token, probability, ((token, probability), *others.items()))


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([place("yes", 0.6, No=0.3)], [0.3, 0.6]),
        ([place(" YES", 0.5, yes=0.2, maybe=0.3)], [0, 0.7]),
        # A quotation mark first: what follows counts with its probability.
        ([place('"', 0.5, no=0.1), place("yes", 0.8, no=0.2)], [0.1 + 0.5 * 0.2, 0.5 * 0.8]),
        # A word in two pieces; `ye` alone is none.
        ([place("ye", 0.6, no=0.4), place("s", 0.9)], [0.4, 0.6 * 0.9]),
        # After another word nothing counts any more.
        ([place("well", 0.9), place("yes", 1.0)], [0, 0]),
        ([place("no", 0.9), place("yes", 1.0)], [0.9, 0]),
        ([], [0, 0]),
    ],
)
def test_probabilities_by_hand(positions: list[Position], expected: list[float]) -> None:
    assert word_probabilities(positions, WORDS) == pytest.approx(expected)
