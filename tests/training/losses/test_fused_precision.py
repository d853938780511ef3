"""The fused loss in half precision, under autocast, with a loss scale, and far out."""

from typing import Any

import pytest
import torch

from diversity_eval.training.losses import fused_linear_loss, register_loss
from tests.training.losses import references
from tests.training.losses.heads import batch, distance, plain
from tests.training.losses.test_formulas import EXTREMES, PARAMETERS

HALVES = [torch.bfloat16, torch.float16]
# Both ways round the logits and their gradient to the dtype once, though not always to the same side, since
# chunks are summed in another order: half a unit in the last place of each, and that only for some.
ROUNDING = {torch.bfloat16: 2.0**-9, torch.float16: 2.0**-12}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("train_head", [False, True])
@pytest.mark.parametrize("head", [{}, {"softcap": 3.0, "logit_scale": 0.5}])
@pytest.mark.parametrize("name", references.NAMES)
def test_equals_the_plain_loss_of_the_dtype(
    name: str, head: dict[str, Any], train_head: bool, dtype: torch.dtype
) -> None:
    given = batch(name, train_head=train_head, dtype=dtype)
    # a sum, not a mean: the plain loss divides first, which costs it digits in float16
    loss = fused_linear_loss(
        name, given.hidden, given.weight, given.labels, num_items=1, chunk_rows=10, **head,
        **given.arguments(),
    )  # fmt: skip
    expected = plain(given, num_items=1, **head)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=ROUNDING[dtype])
    found = torch.autograd.grad(loss, given.leaves())
    for ours, theirs in zip(found, torch.autograd.grad(expected, given.leaves()), strict=True):
        assert ours.dtype == dtype
        assert distance(ours, theirs) < 2 * ROUNDING[dtype]


@pytest.mark.parametrize("dtype", HALVES)
def test_the_loss_itself_is_computed_in_float32(dtype: torch.dtype) -> None:
    """With the identity as the head the logits are exact in any dtype."""
    logits = (torch.randn(50, 33, generator=torch.Generator().manual_seed(1)) * 4).to(dtype)
    labels = torch.arange(50) % 33
    found = fused_linear_loss("tofu", logits, torch.eye(33, dtype=dtype), labels)
    exact = logits.double().numpy()
    expected = [
        references.value("tofu", exact[row], label, references.DEFAULTS["tofu"])
        for row, label in enumerate(labels.tolist())
    ]
    assert found.item() == pytest.approx(sum(expected) / 50, rel=1e-6)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", references.NAMES)
def test_late_chunks_are_not_lost_in_the_gradient_of_the_head(name: str, dtype: torch.dtype) -> None:
    """300 chunks of one token each add up in float32: a sum in bfloat16 would stop growing."""
    given = batch(name, tokens=300, size=4, vocabulary=5, train_head=True, spread=0.5, dtype=dtype)
    loss = fused_linear_loss(
        name, given.hidden, given.weight, given.labels, chunk_rows=1, **given.arguments()
    )
    exact = given.to(torch.float64)
    (found,) = torch.autograd.grad(loss, given.weight)
    (expected,) = torch.autograd.grad(plain(exact), exact.weight)
    assert distance(found, expected) < 4 * ROUNDING[dtype]


class TestAutocast:
    @pytest.mark.parametrize("name", references.NAMES)
    def test_products_are_in_its_dtype(self, name: str) -> None:
        given = batch(name, train_head=True, bias=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = fused_linear_loss(
                name, given.hidden, given.weight, given.labels, chunk_rows=9, **given.arguments()
            )
            expected = plain(given)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected.item(), rel=ROUNDING[torch.bfloat16])
        exact = plain(given.to(torch.float64)).item()
        assert loss.item() != pytest.approx(exact, rel=1e-6)
        found = torch.autograd.grad(loss, given.leaves())
        for ours, theirs in zip(found, torch.autograd.grad(expected, given.leaves()), strict=True):
            assert ours.dtype == torch.float32
            assert distance(ours, theirs) < 2 * ROUNDING[torch.bfloat16]

    @pytest.mark.usefixtures("own_registry")
    def test_a_loss_of_ones_own_is_computed_in_float32(self) -> None:
        mixture = torch.randn(9, 9, generator=torch.Generator().manual_seed(1))
        register_loss("mixed", lambda logits, labels: (logits @ mixture).square().sum(1))
        given = batch("mixed", vocabulary=9, ignored=0.0)
        with torch.autocast("cpu", torch.bfloat16):
            logits = torch.nn.functional.linear(given.hidden, given.weight)
            loss = fused_linear_loss("mixed", given.hidden, given.weight, given.labels)
        expected = (logits.double() @ mixture.double()).square().sum(1).mean()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)

    def test_backward_may_run_inside_or_outside(self) -> None:
        given = batch("tofu", dtype=torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16):
            loss = fused_linear_loss("tofu", given.hidden, given.weight, given.labels)
            (inside,) = torch.autograd.grad(loss, given.hidden, retain_graph=True)
        (outside,) = torch.autograd.grad(loss, given.hidden)
        assert torch.equal(inside, outside)

    def test_float64_stays(self) -> None:
        given = batch("tofu", dtype=torch.float64)
        with torch.autocast("cpu", torch.bfloat16):
            loss = fused_linear_loss("tofu", given.hidden, given.weight, given.labels, **given.params)
        assert loss.item() == pytest.approx(plain(given).item(), rel=1e-12)


class TestFloat16AndLossScale:
    """Small gradients of float16 survive until the loss scale meets them."""

    SCALE = 65536.0  # where a gradient scaler starts; beyond what float16 can hold

    @pytest.mark.parametrize("name", references.NAMES)
    def test_the_hidden_states_gradient_is_not_rounded_away(self, name: str) -> None:
        given = batch(name, tokens=8, vocabulary=3000, ignored=0.0, dtype=torch.float16)
        items = 50_000.0
        loss = fused_linear_loss(
            name, given.hidden, given.weight, given.labels, num_items=items, **given.arguments()
        )
        (found,) = torch.autograd.grad(loss * self.SCALE, given.hidden)
        exact = given.to(torch.float64)
        (expected,) = torch.autograd.grad(plain(exact, num_items=items) * self.SCALE, exact.hidden)
        assert torch.isfinite(found).all()
        # the logits' rounding to float16 is in it: 2e-3 of a gradient at logits of about 4
        assert distance(found, expected) < 4e-3

    def test_the_scale_itself_need_not_fit_into_float16(self) -> None:
        given = batch("ce", tokens=8, spread=1e-3, ignored=0.0, dtype=torch.float16)
        loss = fused_linear_loss("ce", given.hidden, given.weight, given.labels, num_items=1)
        (found,) = torch.autograd.grad(loss * self.SCALE, given.hidden)
        exact = given.to(torch.float64)
        (expected,) = torch.autograd.grad(plain(exact, num_items=1) * self.SCALE, exact.hidden)
        assert distance(found, expected) < 4e-3

    def test_under_autocast_too(self) -> None:
        given = batch("tofu", tokens=8, vocabulary=3000, ignored=0.0, train_head=True, bias=True)
        items = 50_000.0
        with torch.autocast("cpu", torch.float16):
            loss = fused_linear_loss(
                "tofu", given.hidden, given.weight, given.labels, num_items=items, **given.arguments()
            )
        found = torch.autograd.grad(loss * self.SCALE, given.leaves())
        exact = given.to(torch.float64)
        expected = torch.autograd.grad(plain(exact, num_items=items) * self.SCALE, exact.leaves())
        for ours, theirs in zip(found, expected, strict=True):
            assert distance(ours, theirs) < 4e-3

    def test_the_heads_gradient_is_divided_in_float32(self) -> None:
        given = batch("ce", tokens=64, vocabulary=50, train_head=True, bias=True, dtype=torch.float16)
        loss = fused_linear_loss(
            "ce", given.hidden, given.weight, given.labels, num_items=1000, bias=given.bias, chunk_rows=5
        )
        found = torch.autograd.grad(loss, given.leaves())
        exact = given.to(torch.float64)
        expected = torch.autograd.grad(plain(exact, num_items=1000), exact.leaves())
        for ours, theirs in zip(found, expected, strict=True):
            assert distance(ours, theirs) < 4e-3


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_far_out_nothing_is_nan_and_all_is_right(
    name: str, params: dict[str, Any], dtype: torch.dtype
) -> None:
    """With the identity as the head, hidden states are logits, and their gradients the logits'."""
    logits = torch.tensor(EXTREMES, dtype=dtype).repeat_interleave(3, 0)
    labels = torch.arange(3).repeat(len(EXTREMES))
    place = references.places(len(labels))
    exact = logits.double().numpy()
    # the logarithm of a p near 1 is known to 1e-7, and so is 1 - p; a power below 1 magnifies that
    absolute = 10 * 1.2e-7 ** min(1.0, params.get("gamma") or 1.0)
    rounding = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-10}.get(dtype, 3e-6)
    head = torch.eye(3, dtype=dtype)
    hidden = logits.clone().requires_grad_()
    tensors = references.place_tensors(name, place)
    together = fused_linear_loss(name, hidden, head, labels, num_items=1, **tensors, **params)
    assert torch.isfinite(together)
    (found,) = torch.autograd.grad(together, hidden)
    assert torch.isfinite(found).all()
    for row, label in enumerate(labels.tolist()):
        gradient = torch.from_numpy(references.gradient(name, exact[row], label, params, place[row]))
        torch.testing.assert_close(found[row].double(), gradient, rtol=rounding, atol=absolute)
        if dtype == torch.float32:
            alone = slice(row, row + 1)
            tensors = references.place_tensors(name, place[alone])
            loss = fused_linear_loss(name, logits[alone], head, labels[alone], **tensors, **params)
            value = references.value(name, exact[row], label, params, place[row])
            assert loss.item() == pytest.approx(value, rel=3e-6, abs=absolute)


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
@pytest.mark.parametrize("train_head", [True, False])
@pytest.mark.parametrize("name", references.NAMES)
def test_huge_logits_through_a_head(name: str, train_head: bool, dtype: torch.dtype) -> None:
    given = batch(name, spread=5000.0, train_head=train_head, dtype=dtype)
    for head in ({}, {"softcap": 30.0}):
        arguments: dict[str, Any] = {**head, **given.arguments()}
        loss = fused_linear_loss(name, given.hidden, given.weight, given.labels, **arguments)
        assert torch.isfinite(loss)
        for each in torch.autograd.grad(loss, given.leaves()):
            assert torch.isfinite(each).all()
