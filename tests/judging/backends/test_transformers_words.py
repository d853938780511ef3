"""Judges that answer with one word, against transformers' own forward pass and `generate`."""

from pathlib import Path
from typing import Any

import pytest

from diversity_eval.judging.reply_form import parse_word
from tests.judging.backends.conftest import WORDS, judge, word_tokens
from tests.judging.backends.test_transformers import verdicts_of

both = pytest.mark.parametrize("which", ["word_judge_checkpoint", "chat_word_judge_checkpoint"])
SETTINGS: dict[str, Any] = {"scale": [0, 1], "words": list(WORDS), "concurrency": 4}


def shown_to_the_judge(tokenizer: Any, prompt: str) -> str:
    """The text up to the reply; without a template the word comes right after the prompt."""
    if not tokenizer.chat_template:
        return f"{tokenizer.bos_token}{prompt}"
    return str(tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False))


def loaded(checkpoint: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(checkpoint)


@both
def test_rate_sums_the_spellings_of_each_word_in_one_plain_forward_pass(
    which: str, word_prompts: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import torch

    checkpoint = request.getfixturevalue(which)
    found, record = verdicts_of(judge(tmp_path, checkpoint, mode="rate", **SETTINGS), word_prompts)
    model, tokenizer = loaded(checkpoint)
    for prompt, got in zip(word_prompts, found, strict=True):
        ids = tokenizer(shown_to_the_judge(tokenizer, prompt), add_special_tokens=False).input_ids
        with torch.inference_mode():
            p = model(input_ids=torch.tensor([ids])).logits[0, -1].double().softmax(-1)
        likeliest = tokenizer.decode([int(p.argmax())])
        low, low_spaced, high, high_spaced = p[word_tokens(tokenizer)].tolist()
        low, high = low + low_spaced, high + high_spaced
        assert min(low_spaced, high_spaced) > 1e-6  # all spellings matter
        assert got.scale_mass == pytest.approx(low + high, rel=1e-4)
        assert got.probabilities == pytest.approx((low / (low + high), high / (low + high)), abs=1e-4)
        assert got.rating == int(high > low)
        assert got.expected_rating == pytest.approx(high / (low + high), abs=1e-4)
        assert got.reply == likeliest
    assert len({verdict.expected_rating for verdict in found}) > 1  # they depend on what is read
    assert record["shared_beginning"].startswith("computed once")


@both
def test_generate_reads_what_transformers_generate_writes(
    which: str, word_prompts: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import torch

    checkpoint = request.getfixturevalue(which)
    config = judge(tmp_path, checkpoint, mode="generate", max_tokens=4, **SETTINGS)
    found, _ = verdicts_of(config, word_prompts)
    model, tokenizer = loaded(checkpoint)
    for prompt, got in zip(word_prompts, found, strict=True):
        text = shown_to_the_judge(tokenizer, prompt)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        reply = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert got.reply == reply
        assert got.rating == parse_word(reply, WORDS)
    assert any(verdict.rating is not None for verdict in found)


def test_a_word_that_the_token_limit_ends_is_no_verdict(
    word_judge_checkpoint: Path, word_prompts: list[str], tmp_path: Path
) -> None:
    config = judge(tmp_path, word_judge_checkpoint, mode="generate", max_tokens=1, **SETTINGS)
    (found,), _ = verdicts_of(config, word_prompts[:1])
    assert found.reply.strip() in WORDS
    assert (found.rating, found.failed) == (None, False)
    assert found.reason == "the token limit cut the reply (old, it)"


def test_a_judge_that_says_something_else_is_unscored(
    long_checkpoint: Path, word_prompts: list[str], tmp_path: Path
) -> None:
    for mode, said in (("rate", "the judge gives the words old, it"), ("generate", "the token limit")):
        config = judge(tmp_path, long_checkpoint, mode=mode, max_tokens=4, **SETTINGS)
        for verdict in verdicts_of(config, word_prompts[:2])[0]:
            assert (verdict.rating, verdict.failed) == (None, False)
            assert verdict.reason.startswith(said)
