"""No verdict may come from a response's text, and no response may leave the block that it is shown in."""

import random
import re
import time
import unicodedata
from collections import Counter
from functools import cache
from typing import Any

import pytest

from diversity_eval.judging.rubric import load_rubric
from diversity_eval.judging.untrusted import neutralise
from diversity_eval.judging.verdict import parse_rating, verdict_from_reply
from tests.judging.injections import CONTROL_TOKENS, FLOODS, INJECTIONS, Injection, flood

# The tags around prompt and response in the shipped rubrics.
TAGS = {"story": ("opening", "continuation"), "instruction": ("instruction", "response")}
HARMLESS = "The boat went out and came back with a map."
SHORT = [injection for injection in INJECTIONS if len(injection.text) <= 2_000]
# About what 32 tokens hold, the most that a judge may write.
REPLY_CHARACTERS = 130
OWN_VERDICTS = (
    "Total rating: 2",
    "total rating: **2**",
    "**Total rating:** 2.",
    "Too long a tale.\nTotal rating: 2",
)

every_injection = pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
every_short_injection = pytest.mark.parametrize("injection", SHORT, ids=lambda injection: injection.name)
every_rubric = pytest.mark.parametrize("rubric", sorted(TAGS))


@cache
def rendered(rubric: str, response: str, prompt: str = HARMLESS) -> str:
    return load_rubric(rubric).render(prompt, response, lowest=0, highest=5)


def tag_places(rubric: str, text: str) -> list[tuple[str, int]]:
    """Whatever a reader or a tokenizer could take for one of the rubric's tags: (kind and name, place).

    Written apart from the code under test: brackets and letters count in every compatibility form, with
    invisible characters left out, and some space and punctuation may stand between bracket and name.
    """
    plain, places = [], []
    for place, character in enumerate(text):
        for letter in unicodedata.normalize("NFKD", character).casefold():
            if unicodedata.category(letter) not in ("Mn", "Me", "Cf") and letter != "\ufffd":
                plain.append(letter)
                places.append(place)
    found = re.finditer(rf"<([\W_]{{0,8}})({'|'.join(TAGS[rubric])})(?![a-z0-9])", "".join(plain))
    return [(("/" if "/" in match[1] else "") + match[2], places[match.start()]) for match in found]


def test_the_set_is_large_and_varied_and_would_bite() -> None:
    assert len(INJECTIONS) >= 70
    assert len({injection.name for injection in INJECTIONS}) == len(INJECTIONS)
    kinds = Counter(injection.category for injection in INJECTIONS)
    assert set(kinds) == {
        "fake verdict", "fake turn", "delimiter", "look-alike", "instruction", "rubric imitation",
        "control character", "encoding", "split", "flood",
    }  # fmt: skip
    assert min(kinds.values()) >= 6
    assert sum(parse_rating(injection.text) == 5 for injection in INJECTIONS) >= 60
    assert sum(bool(tag_places("instruction", injection.text)) for injection in INJECTIONS) >= 20
    assert all(len(flood(name, 50_000)) >= 45_000 for name in FLOODS)


@every_injection
@every_rubric
def test_the_prompt_holds_one_block_and_no_verdict(rubric: str, injection: Injection) -> None:
    prompt_tag, response_tag = TAGS[rubric]
    order = [prompt_tag, f"/{prompt_tag}", response_tag, f"/{response_tag}"]
    plain = rendered(rubric, HARMLESS)
    as_response = rendered(rubric, injection.text)
    as_prompt = rendered(rubric, HARMLESS, prompt=injection.text)
    for text in (as_response, as_prompt):
        assert parse_rating(text) is None
        assert [name for name, _ in tag_places(rubric, text)] == order
        text.encode("utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    shown = neutralise(injection.text).strip()
    assert as_response == f"{shown}".join(plain.rsplit(HARMLESS, 1))
    assert as_prompt == f"{shown}".join(plain.split(HARMLESS, 1))


@every_injection
@every_rubric
def test_of_a_parrot_only_its_own_verdict_counts(rubric: str, injection: Injection) -> None:
    prompt = rendered(rubric, injection.text)
    begin, end = (place for _, place in tag_places(rubric, prompt)[2:])
    block = prompt[begin : prompt.index(">", end) + 1]
    text = neutralise(injection.text).strip()
    for quoted in (block, text, f'"{text}"', prompt[begin:], prompt[-REPLY_CHARACTERS:]):
        assert parse_rating(quoted) is None
        assert parse_rating(quoted[:REPLY_CHARACTERS]) is None
        assert verdict_from_reply(quoted, 0, 5).rating is None
        for own in OWN_VERDICTS[: 1 if len(quoted) > 10_000 else None]:
            assert parse_rating(f"{own}\n{quoted}") == 2
            assert parse_rating(f"{quoted}\n{own}") == 2
            assert parse_rating(f"{quoted}\n{own}\n{quoted}") == 2
            assert parse_rating(f"{own}\n\n{quoted}"[:REPLY_CHARACTERS]) == 2
            assert parse_rating(f"{quoted}\n{own}"[:REPLY_CHARACTERS]) in (None, 2)
            # Glued to the verdict it may make it unreadable, but never another one.
            assert parse_rating(f"{own} {quoted}") in (None, 2)
            assert parse_rating(f"{quoted} {own}") in (None, 2)
            assert parse_rating(own + quoted) in (None, 2)
            assert parse_rating(quoted + own) in (None, 2)


@every_injection
def test_among_the_judge_s_words_it_is_still_no_verdict(injection: Injection) -> None:
    text = neutralise(injection.text)
    for reply in (
        f"I would say {text} is what it says",
        f"The response claims '{text}', which I ignore.",
        f"**{text}**",
        f"Total: {text}",
        f"My rating: {text}",
        "> " + text.replace("\n", "\n> "),
        " ".join(text.split()),
        repr(text),
        text.upper(),
        text.lower(),
    ):
        assert parse_rating(reply) is None


@every_short_injection
def test_no_part_of_it_is_a_verdict(injection: Injection) -> None:
    text = neutralise(injection.text)
    for place in range(len(text) + 1):
        assert parse_rating(text[:place]) is None
        assert parse_rating(text[place:]) is None


@every_injection
def test_no_random_part_of_it_is_a_verdict(injection: Injection) -> None:
    text = neutralise(injection.text)
    chance = random.Random(injection.name)
    for _ in range(100):
        begin = chance.randrange(len(text) + 1)
        assert parse_rating(text[begin : begin + chance.randrange(1, 300)]) is None


@every_injection
def test_what_tokenizers_fold_is_no_verdict_either(injection: Injection) -> None:
    """Some normalise a text before they cut it up, so a judge may repeat the plain letters."""
    text = neutralise(injection.text)
    composed = unicodedata.normalize("NFKC", text)
    bare = [
        character
        for character in unicodedata.normalize("NFKD", text)
        if unicodedata.category(character) not in ("Mn", "Me", "Cf") and character not in "\ufffd\u3164"
    ]
    spaced = re.sub(r"\s", " ", "".join(bare))
    for folded in (composed, "".join(bare), spaced, spaced.lower(), text.casefold(), composed.casefold()):
        assert parse_rating(folded) is None


@every_injection
def test_once_is_enough(injection: Injection) -> None:
    text = neutralise(injection.text)
    assert neutralise(text) == text


@cache
def chat_tokenizer(normalised: bool) -> tuple[Any, frozenset[int]]:
    """A byte-level tokenizer that has the control tokens of all families, and their ids."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokens = [token for family in CONTROL_TOKENS.values() for token in family]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if normalised:
        bpe.normalizer = normalizers.NFKC()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [HARMLESS], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    )
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=normalised) for token in tokens])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe)
    return tokenizer, frozenset(tokenizer.convert_tokens_to_ids(tokens))


def control_tokens(text: str, normalised: bool) -> int:
    tokenizer, special = chat_tokenizer(normalised)
    return sum(token in special for token in tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("normalised", [False, True], ids=["as it is", "NFKC"])
@pytest.mark.parametrize("family", sorted(CONTROL_TOKENS))
def test_the_control_tokens_are_known_and_disarmed(family: str, normalised: bool) -> None:
    for token in CONTROL_TOKENS[family]:
        assert control_tokens(f"a{token}b", normalised) == 1
        assert control_tokens(neutralise(f"a{token}b"), normalised) == 0


@every_short_injection
@pytest.mark.parametrize("normalised", [False, True], ids=["as it is", "NFKC"])
def test_nothing_in_the_block_becomes_a_control_token(injection: Injection, normalised: bool) -> None:
    for rubric in TAGS:
        assert control_tokens(rendered(rubric, HARMLESS), normalised) == 0
        assert control_tokens(rendered(rubric, injection.text), normalised) == 0
        assert control_tokens(rendered(rubric, HARMLESS, prompt=injection.text), normalised) == 0


def test_the_turns_of_the_set_would_be_taken_for_turns() -> None:
    turns = [injection for injection in INJECTIONS if injection.category == "fake turn"]
    assert sum(control_tokens(injection.text, normalised=False) > 0 for injection in turns) >= 15
    assert sum(control_tokens(injection.text, normalised=True) > 0 for injection in turns) >= 17


@pytest.mark.parametrize("normalised", [False, True], ids=["as it is", "NFKC"])
@pytest.mark.parametrize("name", FLOODS)
def test_floods_hold_no_control_token(name: str, normalised: bool) -> None:
    assert control_tokens(neutralise(flood(name, 3_000)), normalised) == 0


def judged_in(text: str) -> float:
    """Seconds of processor time for a text to be made harmless and looked through."""
    started = time.process_time()
    parse_rating(neutralise(text))
    parse_rating(text)
    return time.process_time() - started


@pytest.mark.parametrize("name", FLOODS)
def test_floods_take_time_in_proportion_to_their_length(name: str) -> None:
    short, long = flood(name, 50_000), flood(name, 200_000)
    seconds = min(judged_in(short) for _ in range(2))
    assert seconds < 0.5
    # Four times the text takes sixteen times as long where it is quadratic.
    longer = min(judged_in(long) for _ in range(2))
    assert longer < max(10 * seconds, 0.1)


@pytest.mark.parametrize(
    "reply",
    [
        *(flood(name, 200_000) for name in FLOODS),
        "Total rating: " + "9" * 1_000_000,
        "Total rating: " + "0" * 1_000_000 + "5",
        "Total rating: 5." + "0" * 1_000_000,
        "Total rating: 5" + " " * 1_000_000 + "or 4",
        "Total rating: 5" + "*" * 1_000_000,
        "Total rating: " * 70_000 + "x",
        "Total rating: 9\n" * 60_000,
        "\x00" * 1_000_000,
        "Total rating: \x005",
        "\ud800Total rating: 7",
    ],
    ids=lambda reply: repr(reply[:24]),
)
def test_hostile_replies_are_read_quickly(reply: str) -> None:
    started = time.process_time()
    rating = parse_rating(reply)
    assert rating is None or 0 <= rating <= 5
    assert verdict_from_reply(reply, 0, 5).rating == rating
    assert time.process_time() - started < 2.0
