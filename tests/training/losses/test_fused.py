"""The fused loss is the plain one: value to 1e-6, gradients to 5e-6 in the Frobenius norm, in float32."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diversity_eval.training.losses import fused_linear_loss
from tests.training.losses import references
from tests.training.losses.heads import NAMES, OWN, Batch, batch, distance, plain

pytestmark = pytest.mark.usefixtures("own_loss")


def check(given: Batch, *, value: float = 1e-6, gradient: float = 5e-6, **head: Any) -> None:
    """Against the plain loss in the same dtype, and against it in float64."""
    leaves = given.leaves()
    rows = head.pop("chunk_rows", None)
    fused = fused_linear_loss(
        given.name, given.hidden, given.weight, given.labels, chunk_rows=rows, **given.arguments(), **head
    )
    found = torch.autograd.grad(fused, leaves)
    exact = given.to(torch.float64)
    for other in (given, exact):
        expected = plain(other, **head)
        scale = abs(expected.item())
        if (
            given.name == "gem"
        ):  # has both signs: relative to the losses, not to what their sum leaves of them
            scale = plain(other, losses=torch.abs, **head).item()
        assert abs(fused.item() - expected.item()) <= value * scale
        for ours, theirs in zip(found, torch.autograd.grad(expected, other.leaves()), strict=True):
            assert distance(ours, theirs) < gradient


@pytest.mark.parametrize("rows", [1, 7, 1000, None])
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_loss_with_a_frozen_head(name: str, rows: int | None) -> None:
    check(batch(name), chunk_rows=rows)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_loss_with_a_trainable_head(name: str, bias: bool) -> None:
    check(batch(name, train_head=True, bias=bias), chunk_rows=5)


@pytest.mark.parametrize(
    "head",
    [
        {"logit_scale": 0.3},
        {"softcap": 3.0},
        {"softcap": 3.0, "logit_scale": 1.7},
        {"num_items": 100},
        {"num_items": 3.5, "softcap": 5.0, "logit_scale": 0.5},
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_loss_with_other_heads(name: str, head: dict[str, Any]) -> None:
    check(batch(name, train_head=True, bias=True), chunk_rows=11, **head)
    check(batch(name), chunk_rows=11, **head)


@pytest.mark.parametrize("name", NAMES)
def test_with_only_the_head_trained(name: str) -> None:
    given = batch(name, train_head=True, bias=True)
    given.hidden.requires_grad_(False)
    check(given, chunk_rows=6)


@pytest.mark.parametrize("name", references.NAMES)
def test_value_equals_the_reference(name: str) -> None:
    given = batch(name, tokens=20, vocabulary=13, bias=True, dtype=torch.float64)
    loss = fused_linear_loss(
        name, given.hidden, given.weight, given.labels, chunk_rows=3, **given.arguments()
    )
    assert given.bias is not None
    logits = (given.hidden @ given.weight.T + given.bias).detach().numpy()
    expected = [
        references.value(name, logits[row], label, given.params, place)
        for row, (label, place) in enumerate(zip(given.labels.tolist(), references.places(20), strict=True))
        if label != -100
    ]
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-12)


@settings(max_examples=80)
@given(
    name=st.sampled_from(references.NAMES),
    tokens=st.integers(1, 20),
    size=st.integers(1, 8),
    vocabulary=st.integers(2, 40),
    rows=st.integers(1, 25),
    ignored=st.sampled_from([0.0, 0.3, 0.9]),
    train_head=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 10**6),
    softcap=st.none() | st.floats(2.0, 50.0),
    scale=st.floats(-1.5, 1.5),
)
def test_any_shape_in_float64(
    name: str, tokens: int, size: int, vocabulary: int, rows: int, ignored: float, train_head: bool,
    bias: bool, seed: int, softcap: float | None, scale: float,
) -> None:  # fmt: skip
    given = batch(
        name, tokens=tokens, size=size, vocabulary=vocabulary, ignored=ignored, train_head=train_head,
        bias=bias, seed=seed, dtype=torch.float64,
    )  # fmt: skip
    items = float(tokens)
    fused = fused_linear_loss(
        name, given.hidden, given.weight, given.labels, num_items=items, softcap=softcap, logit_scale=scale,
        chunk_rows=rows, **given.arguments(),
    )  # fmt: skip
    expected = plain(given, num_items=items, softcap=softcap, logit_scale=scale)
    torch.testing.assert_close(fused, expected, rtol=1e-11, atol=1e-13)
    for ours, theirs in zip(
        torch.autograd.grad(fused, given.leaves()), torch.autograd.grad(expected, given.leaves()), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("head", [{}, {"softcap": 2.0, "logit_scale": 1.3}])
@pytest.mark.parametrize("name", ["ce", "focal"])
def test_gradcheck(name: str, head: dict[str, Any]) -> None:
    given = batch(
        name, tokens=5, size=3, vocabulary=4, train_head=True, bias=True, spread=1.0, dtype=torch.float64
    )

    def function(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return fused_linear_loss(
            name, hidden, weight, given.labels, bias=bias, chunk_rows=2, **head, **given.params
        )

    assert torch.autograd.gradcheck(function, tuple(given.leaves()))


class TestShapes:
    @pytest.mark.parametrize("shape", [(24,), (4, 6), (2, 3, 4)])
    @pytest.mark.parametrize("name", ["pr", "tofu", OWN])
    def test_labels_of_any_dimension(self, name: str, shape: tuple[int, ...]) -> None:
        given = batch(name, tokens=24)
        flat = fused_linear_loss(name, given.hidden, given.weight, given.labels, **given.arguments())
        place = {key: each.reshape(shape) for key, each in given.place.items()}
        hidden = given.hidden.detach().reshape(*shape, 24).requires_grad_()
        found = fused_linear_loss(
            name, hidden, given.weight, given.labels.reshape(shape), chunk_rows=5, **place, **given.params
        )
        assert found.item() == pytest.approx(flat.item(), rel=1e-6)
        (expected,) = torch.autograd.grad(flat, given.hidden)
        (gradient,) = torch.autograd.grad(found, hidden)
        assert distance(gradient.reshape(24, 24), expected) < 1e-6

    @pytest.mark.parametrize("name", ["pr", "tofu"])
    def test_a_single_token(self, name: str) -> None:
        given = batch(name, tokens=1, ignored=0.0)
        hidden = given.hidden.detach()[0].requires_grad_()
        place = {key: each[0] for key, each in given.place.items()}
        loss = fused_linear_loss(name, hidden, given.weight, given.labels[0], **place, **given.params)
        expected = plain(given)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        (gradient,) = torch.autograd.grad(loss, hidden)
        assert distance(gradient, torch.autograd.grad(expected, given.hidden)[0][0]) < 5e-6

    @pytest.mark.parametrize("name", ["ce", "tofu", OWN])
    def test_hidden_states_that_are_not_contiguous(self, name: str) -> None:
        base = torch.randn(24, 9, 5, generator=torch.Generator().manual_seed(3)).requires_grad_()
        hidden = base.permute(2, 1, 0)[:, :-1]  # (5, 8, 24)
        assert not hidden.is_contiguous()
        given = batch(name, tokens=40)
        labels = given.labels.reshape(5, 8)
        loss = fused_linear_loss(name, hidden, given.weight, labels, chunk_rows=7)
        given.hidden = hidden.detach().reshape(40, 24).requires_grad_()
        given.params = {}
        expected = plain(given)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        (gradient,) = torch.autograd.grad(loss, base)
        (theirs,) = torch.autograd.grad(expected, given.hidden)
        assert distance(gradient.permute(2, 1, 0)[:, :-1].reshape(40, 24), theirs) < 5e-6
        assert not gradient[:, -1].any()

    def test_a_weight_that_is_not_contiguous(self) -> None:
        given = batch("tofu", train_head=True)
        turned = given.weight.detach().T.contiguous().requires_grad_()
        loss = fused_linear_loss("tofu", given.hidden, turned.T, given.labels, **given.params)
        expected = plain(given)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        theirs = torch.autograd.grad(expected, [given.hidden, given.weight])
        ours = torch.autograd.grad(loss, [given.hidden, turned])
        assert distance(ours[0], theirs[0]) < 5e-6
        assert distance(ours[1].T, theirs[1]) < 5e-6

    def test_labels_of_32_bits(self) -> None:
        given = batch("ce")
        assert fused_linear_loss("ce", given.hidden, given.weight, given.labels.int()).item() == (
            fused_linear_loss("ce", given.hidden, given.weight, given.labels).item()
        )


class TiedModel(torch.nn.Module):
    """Two tokens in, the next one out; one matrix is embedding and output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(31, 12)
        self.mix = torch.nn.Linear(12, 12)
        with torch.no_grad():
            for seed, each in enumerate(self.parameters()):
                each.copy_(torch.randn(each.shape, generator=torch.Generator().manual_seed(seed)))

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.tanh(self.mix(self.embedding(ids) + self.embedding(ids.roll(1))))
        return found


@pytest.mark.parametrize("name", NAMES)
def test_tied_embeddings_get_both_gradients(name: str) -> None:
    ids = torch.arange(17) * 5 % 31
    labels = ids.roll(-1)
    model = TiedModel()
    params = references.TELLING.get(name, {})
    place = references.place_tensors(name, references.places(17))
    weight = model.embedding.weight
    loss = fused_linear_loss(name, model.hidden(ids), weight, labels, chunk_rows=4, **place, **params)
    torch.autograd.backward(loss)
    assert weight.grad is not None
    whole = weight.grad.clone()
    model.zero_grad()
    whole_batch = Batch(name, model.hidden(ids), weight, labels, None, place, dict(params))
    torch.autograd.backward(plain(whole_batch))
    assert distance(whole, weight.grad) < 5e-6
    # and the head's share alone is not the whole
    alone = fused_linear_loss(name, model.hidden(ids).detach(), weight, labels, **place, **params)
    assert distance(torch.autograd.grad(alone, weight)[0], weight.grad) > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_count_may_hold_anything(name: str) -> None:
    given = batch(name, train_head=True)
    expected = torch.autograd.grad(plain(given), given.leaves())
    hidden = given.hidden.detach().clone()
    hidden[given.labels == -100] = torch.nan
    hidden.requires_grad_()
    loss = fused_linear_loss(name, hidden, given.weight, given.labels, chunk_rows=4, **given.arguments())
    for ours, theirs in zip(torch.autograd.grad(loss, [hidden, given.weight]), expected, strict=True):
        assert distance(ours, theirs) < 5e-6
