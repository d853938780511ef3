import re
from typing import Any

import pytest
import torch

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.data import EncodedRow
from diversity_eval.training.losses import check_loss
from diversity_eval.training.output_layer import LossChoice, compute_loss_in_forward, read_output_layer
from diversity_eval.training.packing import as_dataset, check_packed_attention
from tests.training.architectures import ARCHITECTURES, VOCABULARY, build
from tests.training.token_losses import DEFAULTS

# Whose attention does not keep packed rows apart: positions that are learnt from the mask, or a recurrent
# state.
MIXING = ("opt", "bloom", "falcon h1, recurrent", "recurrent gemma, soft cap")


def rows(lengths: list[tuple[int, int]]) -> list[EncodedRow]:
    """Rows of prompts and responses of these lengths."""
    generator = torch.Generator().manual_seed(5)
    made = []
    for number, (prompt, response) in enumerate(lengths, 1):
        ids = torch.randint(3, VOCABULARY, (prompt + response,), generator=generator).tolist()
        made.append(EncodedRow(ids, [-100] * prompt + ids[prompt:], f"row {number}"))
    return made


ROWS = rows([(3, 5), (2, 9), (4, 2), (1, 3), (6, 6), (2, 1), (1, 11)])


def test_without_packing_the_rows_are_as_they_were() -> None:
    dataset = as_dataset(ROWS)
    assert dataset.column_names == ["input_ids", "labels"]
    assert [dict(each) for each in dataset] == [{"input_ids": r.input_ids, "labels": r.labels} for r in ROWS]


@pytest.mark.parametrize(("pack_to", "sequences"), [(12, 5), (16, 4), (24, 3), (56, 1), (500, 1)])
def test_rows_are_packed_whole_and_tightly(pack_to: int, sequences: int) -> None:
    dataset = as_dataset(ROWS, pack_to=pack_to)
    # 56 tokens in all; this many sequences are the fewest that hold them (found by trying)
    assert len(dataset) == sequences
    found = []
    for each in dataset:
        assert sum(each["seq_lengths"]) == len(each["input_ids"]) == len(each["labels"]) <= pack_to
        start = 0
        for length in each["seq_lengths"]:
            found.append((each["input_ids"][start : start + length], each["labels"][start : start + length]))
            start += length
    assert sorted(found) == sorted((row.input_ids, row.labels) for row in ROWS)


def collated(packed: bool) -> dict[str, torch.Tensor]:
    """A batch as the trainer's collator makes it."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=packed)
    batch: dict[str, torch.Tensor] = collate(list(as_dataset(ROWS, pack_to=24 if packed else None)))
    return batch


def loss_and_gradients(model: Any, name: str, parameters: dict[str, float], packed: bool) -> tuple[Any, Any]:
    choice = LossChoice(name, check_loss(name, parameters))
    compute_loss_in_forward(model, choice, read_output_layer(model, name))
    found = model(**collated(packed), token_loss=True, num_items=torch.tensor(37))
    found["loss"].backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    return {key: float(value) for key, value in found.items()}, gradient


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", DEFAULTS)
def test_packed_rows_have_the_loss_and_gradients_of_unpacked_ones(name: str, attention: str) -> None:
    # With its defaults the weight of `pr` is 0 for most of these tokens.
    parameters = {"lambda": 0.5, "alpha": 0.3} if name == "pr" else DEFAULTS[name]
    model = build("llama", attention)
    check_packed_attention(model, "llama")
    plain, expected = loss_and_gradients(build("llama", attention), name, parameters, packed=False)
    packed, gradient = loss_and_gradients(model, name, parameters, packed=True)
    assert packed == pytest.approx(plain, rel=1e-6)
    assert packed["tokens"] == 37
    assert float((gradient - expected).norm() / expected.norm()) < 5e-6
    assert packed["loss"] > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_which_architectures_may_pack(name: str, dtype: torch.dtype) -> None:
    model = build(name).to(dtype)
    if name not in MIXING:
        check_packed_attention(model, name)
    else:
        with pytest.raises(
            DiversityEvalError, match=rf"^{re.escape(name)}: it looks from one packed row into another"
        ):
            check_packed_attention(model, name)
    assert model.training


def test_an_attention_that_sees_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("llama")
    forward = model.forward

    def sees_all(*args: Any, **kwargs: Any) -> Any:
        # What an implementation does that goes by the mask alone; the positions are right.
        return forward(*args, **{"attention_mask": torch.ones_like(kwargs["input_ids"]), **kwargs})

    monkeypatch.setattr(model, "forward", sees_all)
    with pytest.raises(DiversityEvalError, match=r"packing would train on mixed rows; use --no-packing"):
        check_packed_attention(model, "llama")


def test_positions_that_count_on_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("gpt-2")
    forward = model.transformer.wpe.forward

    def counts_on(positions: torch.Tensor) -> Any:
        return forward(torch.arange(positions.shape[-1]).unsqueeze(0))

    monkeypatch.setattr(model.transformer.wpe, "forward", counts_on)
    with pytest.raises(DiversityEvalError, match="it looks from one packed row into another"):
        check_packed_attention(model, "gpt-2")


def test_a_model_that_takes_no_positions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("llama")
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda input_ids, use_cache: forward(input_ids=input_ids))
    with pytest.raises(DiversityEvalError, match=r"cannot run rows packed by their position ids \(TypeError"):
        check_packed_attention(model, "llama")
