"""The backend on small real models, against transformers' own forward pass and `generate`."""

import math
from pathlib import Path
from typing import Any

import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.judging.backends import transformers as module
from diversity_eval.judging.backends.prefix import SharedPrefix
from diversity_eval.judging.backends.transformers import TransformersBackend
from diversity_eval.judging.config import JudgeConfig
from diversity_eval.judging.verdict import Verdict
from tests.judging.backends.conftest import judge


def verdicts_of(config: JudgeConfig, prompts: list[str]) -> tuple[list[Verdict], dict[str, Any]]:
    backend = TransformersBackend(config)
    found: dict[int, Verdict] = {}

    def keep(index: int, verdict: Verdict) -> None:
        assert index not in found
        found[index] = verdict

    backend.judge(prompts, keep)
    record = backend.record()
    backend.close()
    return [found[index] for index in range(len(prompts))], record


def shown_to_the_judge(tokenizer: Any, prompt: str) -> str:
    """The text up to the reply, by transformers' own rendering where there is a template."""
    if not tokenizer.chat_template:
        return f"{tokenizer.bos_token}{prompt}\n"
    return str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
    )


@pytest.mark.parametrize("which", ["long_checkpoint", "sliding_checkpoint", "chat_judge_checkpoint"])
def test_rate_gives_the_distribution_of_one_plain_forward_pass(
    which: str,
    prompts: list[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Untrained models put hardly anything on the scale, so the bar for it is lowered here."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from diversity_eval.judging import verdict

    monkeypatch.setattr(verdict, "LEAST_SCALE_MASS", 0.0)
    checkpoint = request.getfixturevalue(which)
    found, record = verdicts_of(judge(tmp_path, checkpoint, mode="rate", concurrency=4), prompts)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    for prompt, got in zip(prompts, found, strict=True):
        text = shown_to_the_judge(tokenizer, prompt)
        ids = tokenizer(f"{text}Total rating: 0", add_special_tokens=False).input_ids
        assert tokenizer.decode([ids[-1]]).strip() == "0"
        with torch.inference_mode():
            p = model(input_ids=torch.tensor([ids[:-1]])).logits[0, -1].double().softmax(-1)
        space = " " if tokenizer.decode([ids[-1]]).startswith(" ") else ""
        digits = [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(f"{space}{d}"))[-1] for d in range(6)]
        scale = p[digits]
        assert got.scale_mass == pytest.approx(float(scale.sum()), rel=1e-3)
        assert got.probabilities == pytest.approx((scale / scale.sum()).tolist(), abs=1e-4)
        expected = float((scale / scale.sum() * torch.arange(6)).sum())
        assert got.expected_rating == pytest.approx(expected, abs=1e-4)
    assert record["shared_beginning"].startswith("computed once")


@pytest.mark.parametrize("which", ["long_checkpoint", "sliding_checkpoint", "chat_judge_checkpoint"])
def test_generate_writes_what_transformers_generate_writes(
    which: str, prompts: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = request.getfixturevalue(which)
    config = judge(tmp_path, checkpoint, mode="generate", max_tokens=12, concurrency=4)
    found, _ = verdicts_of(config, prompts)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    for prompt, got in zip(prompts, found, strict=True):
        text = shown_to_the_judge(tokenizer, prompt)
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        assert got.reply == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert got.rating is None
        assert not got.failed


@pytest.mark.parametrize("which", ["long_checkpoint", "sliding_checkpoint"])
def test_ratings_do_not_depend_on_the_batch(
    which: str,
    prompts: list[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from diversity_eval.judging import verdict

    monkeypatch.setattr(verdict, "LEAST_SCALE_MASS", 0.0)
    checkpoint = request.getfixturevalue(which)
    ones, _ = verdicts_of(judge(tmp_path, checkpoint, concurrency=1), prompts)
    sixteens, _ = verdicts_of(judge(tmp_path, checkpoint, concurrency=16), prompts[::-1])
    for one, sixteen in zip(ones, sixteens[::-1], strict=True):
        assert one.rating == sixteen.rating
        assert one.expected_rating == pytest.approx(sixteen.expected_rating, abs=1e-4)


def test_too_little_mass_on_the_scale_is_unscored(
    long_checkpoint: Path, prompts: list[str], tmp_path: Path
) -> None:
    found, _ = verdicts_of(judge(tmp_path, long_checkpoint), prompts[:2])
    for verdict in found:
        assert verdict.rating is None
        assert not verdict.failed
        assert "less than 0.5" in verdict.reason
        assert verdict.reply.startswith("Total rating: ")


def test_a_prompt_that_does_not_fit_is_unscored_and_the_others_are_not(
    long_checkpoint: Path, prompts: list[str], tmp_path: Path
) -> None:
    config = judge(tmp_path, long_checkpoint, mode="generate", max_tokens=4, max_length=2000)
    found, _ = verdicts_of(config, [prompts[0], prompts[0] + " x" * 3000])
    assert found[0].reply
    assert found[1].failed
    assert "do not fit into the 2000 tokens" in found[1].reason


def test_a_batch_that_memory_does_not_hold_is_halved(
    long_checkpoint: Path, prompts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    whole, _ = verdicts_of(judge(tmp_path, long_checkpoint, mode="generate", max_tokens=4), prompts)
    real = SharedPrefix.first_step
    sizes: list[int] = []

    def tight(self: SharedPrefix, rows: Any, beginnings: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("injected")
        return real(self, rows, beginnings)

    monkeypatch.setattr(SharedPrefix, "first_step", tight)
    monkeypatch.setattr(SharedPrefix, "_keep_common", lambda self, rows: None)
    halved, _ = verdicts_of(judge(tmp_path, long_checkpoint, mode="generate", max_tokens=4), prompts)
    assert max(sizes) > 2
    assert [v.reply for v in halved] == [v.reply for v in whole]


def test_nf4_loads_four_bit_layers_and_rates(
    sliding_checkpoint: Path, prompts: list[str], tmp_path: Path
) -> None:
    import bitsandbytes

    config = judge(tmp_path, sliding_checkpoint, quantization="nf4", dtype="auto")
    backend = TransformersBackend(config)
    quantised = [m for m in backend._model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(quantised) == 6 * 7
    assert all(m.weight.quant_type == "nf4" for m in quantised)
    assert all(m.weight.quant_state.nested for m in quantised)  # double quantisation
    found: dict[int, Verdict] = {}
    backend.judge(prompts, found.__setitem__)
    assert sorted(found) == list(range(len(prompts)))
    assert all(v.scale_mass is not None and 0 < v.scale_mass < 1 for v in found.values())
    assert "nf4" in config.signature("story")


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DiversityEvalError, match="nobody/nothing does not load") as caught:
        TransformersBackend(judge(tmp_path, "nobody/nothing"))
    assert "\n" not in str(caught.value)


def test_the_end_tokens_of_the_generation_config_count(long_checkpoint: Path) -> None:
    from types import SimpleNamespace

    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=[7, 8]))
    assert module._end_ids(model, SimpleNamespace(eos_token_id=2)) == {2, 7, 8}
    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=None))
    assert module._end_ids(model, SimpleNamespace(eos_token_id=None)) == frozenset()


def test_entropy_and_mass_are_in_their_ranges(
    sliding_checkpoint: Path, prompts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diversity_eval.judging import verdict

    monkeypatch.setattr(verdict, "LEAST_SCALE_MASS", 0.0)
    found, _ = verdicts_of(judge(tmp_path, sliding_checkpoint), prompts)
    for v in found:
        assert v.entropy is not None
        assert 0 <= v.entropy <= math.log(6) + 1e-9
