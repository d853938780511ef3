"""`token_loss`: shapes, masks, dtypes, and what it refuses; `gradient_scaling`."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diversity_eval.training.losses import gradient_scaling, register_loss, token_loss
from tests.training.losses import references


@st.composite
def batches(
    draw: st.DrawFn,
) -> tuple[str, dict[str, Any], torch.Tensor, torch.Tensor, list[references.Place]]:
    """A loss, its parameters, logits, labels and places."""
    name = draw(st.sampled_from(references.NAMES))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=0, max_size=3)))
    vocabulary = draw(st.integers(2, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.1, 1.0, 5.0]))
    logits = torch.randn(*shape, vocabulary, dtype=torch.float64, generator=generator) * spread
    count = math.prod(shape)
    entries = st.one_of(st.just(-100), st.integers(0, vocabulary - 1))
    labels = torch.tensor(draw(st.lists(entries, min_size=count, max_size=count)), dtype=torch.long)
    limits = {"gamma": (0.0, 6.0), "beta": (0.2, 4.0), "lam": (0.05, 1.0), "alpha": (0.01, 1.0)}
    params = {each: draw(st.floats(*limits[each])) for each in references.DEFAULTS[name]}
    return name, params, logits, labels.reshape(shape), references.places(count, draw(st.integers(1, 9)))


@settings(max_examples=150)
@given(batches())
def test_any_shape_mask_and_parameters(
    batch: tuple[str, dict[str, Any], torch.Tensor, torch.Tensor, list[references.Place]],
) -> None:
    name, params, logits, labels, place = batch
    logits.requires_grad_()
    tensors = {key: each.reshape(labels.shape) for key, each in references.place_tensors(name, place).items()}
    losses = token_loss(name, logits, labels, **tensors, **params)
    assert losses.shape == labels.shape
    (found,) = torch.autograd.grad(losses.sum(), logits)
    vocabulary = logits.shape[-1]
    rows = logits.detach().reshape(-1, vocabulary).numpy()
    for row, label in enumerate(labels.flatten().tolist()):
        loss, gradient = losses.flatten()[row].item(), found.reshape(-1, vocabulary)[row]
        if label == -100:
            assert loss == 0
            assert not gradient.any()
            continue
        assert loss == pytest.approx(
            references.value(name, rows[row], label, params, place[row]), rel=1e-11, abs=1e-12
        )
        expected = references.gradient(name, rows[row], label, params, place[row])
        torch.testing.assert_close(gradient, torch.from_numpy(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", references.NAMES)
def test_a_batch_without_a_token_that_counts_is_0_and_tied_to_the_logits(name: str) -> None:
    logits = torch.full((2, 3, 5), 7.0, requires_grad=True)
    labels = torch.full((2, 3), -100)
    place: dict[str, Any] = {key: torch.ones(2, 3) for key in references.place_tensors(name, [(1, 1)])}
    losses = token_loss(name, logits, labels, **place)
    assert losses.tolist() == [[0.0] * 3] * 2
    torch.autograd.backward(losses.sum())
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", references.NAMES)
def test_tokens_that_do_not_count_may_hold_anything(name: str) -> None:
    logits = torch.tensor([[0.3, 1.0], [math.nan, math.inf]], requires_grad=True)
    place = references.place_tensors(name, [(1, 2), (2, 2)])
    losses = token_loss(name, logits, torch.tensor([0, -100]), **place, **references.TELLING[name])
    torch.autograd.backward(losses.sum())
    assert logits.grad is not None
    assert losses[1] == 0
    assert torch.isfinite(losses).all()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", references.NAMES)
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    logits = (torch.randn(12, 9, generator=torch.Generator().manual_seed(1)) * 3).to(dtype).requires_grad_()
    labels = torch.arange(12) % 9
    place = references.place_tensors(name, references.places(12))
    losses = token_loss(name, logits, labels, **place, **references.TELLING[name])
    wider = torch.float64 if dtype == torch.float64 else torch.float32
    assert losses.dtype == wider
    same = token_loss(name, logits.detach().to(wider), labels, **place, **references.TELLING[name])
    assert torch.equal(losses.detach(), same)
    (found,) = torch.autograd.grad(losses.sum(), logits)
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32])
def test_labels_of_any_integer_type(dtype: torch.dtype) -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([3, -100, 0])
    assert torch.equal(token_loss("tofu", logits, labels.to(dtype)), token_loss("tofu", logits, labels))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), r"labels go from 0 to 3; expected -100, or 0 to 2"),
        (torch.tensor([0, -1]), r"labels go from -1 to 0; expected -100, or 0 to 2"),
        (torch.tensor([0.0, 1.0]), "labels are torch.float32; expected token ids"),
        (torch.tensor([True, False]), "labels are torch.bool; expected token ids"),
        (torch.tensor([0, 1, 2]), r"labels \(3,\) do not fit logits \(2, 3\)"),
        (torch.tensor([[0, 1]]), r"labels \(1, 2\) do not fit logits \(2, 3\)"),
    ],
)
def test_labels_that_are_none(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token_loss("ce", torch.zeros(2, 3), labels)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({}, "the loss pr needs `position` and `length`"),
        ({"position": torch.ones(2)}, "the loss pr needs `position` and `length`"),
        ({"length": torch.ones(2)}, "the loss pr needs `position` and `length`"),
        ({"position": torch.ones(3), "length": torch.ones(3)}, r"position \(3,\) and length \(3,\) do not"),
        ({"position": torch.tensor([0, 1]), "length": torch.ones(2)}, "from 1 to the length"),
        ({"position": torch.tensor([1, 3]), "length": torch.tensor([1, 2])}, "from 1 to the length"),
    ],
)  # fmt: skip
def test_pr_needs_places(place: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token_loss("pr", torch.zeros(2, 3), torch.tensor([0, 1]), **place)


def test_places_of_tokens_that_do_not_count_are_not_looked_at() -> None:
    place: dict[str, Any] = {"position": torch.tensor([1, 0]), "length": torch.tensor([1, -5])}
    assert token_loss("pr", torch.zeros(2, 3), torch.tensor([0, -100]), **place)[1] == 0


class TestGradientScaling:
    """`gradient_scaling` is the ratio of the gradient's norm to that of p^b - onehot."""

    @pytest.mark.parametrize(("name", "params"), [
        *references.DEFAULTS.items(), ("pr", {"lam": 0.6, "alpha": 0.3}), ("focal", {"gamma": 1.0}),
    ])  # fmt: skip
    def test_is_what_autograd_finds(self, name: str, params: dict[str, Any]) -> None:
        margins = torch.linspace(-6, 6, 25, dtype=torch.float64)
        logits = torch.stack([margins, torch.zeros(25)], 1).requires_grad_()
        labels = torch.zeros(25, dtype=torch.long)
        given: dict[str, Any] = {"position": 2, "length": 3} if name == "pr" else {}
        place = references.place_tensors(name, [(2, 3)] * 25)
        losses = token_loss(name, logits, labels, **place, **params)
        (found,) = torch.autograd.grad(losses.sum(), logits)
        tempered = torch.softmax(logits.detach() / params.get("beta", 1.0), 1)
        log_p = logits.detach().log_softmax(1)[:, 0]
        scaling = gradient_scaling(name, log_p, **given, **params)
        torch.testing.assert_close(scaling, found[:, 0] / (tempered[:, 0] - 1), rtol=1e-10, atol=1e-12)

    def test_a_token_alone_in_its_response_is_the_default_of_pr(self) -> None:
        log_p = torch.tensor([-20.0, -5.0])
        assert torch.equal(gradient_scaling("pr", log_p), gradient_scaling("pr", log_p, position=1, length=1))

    @pytest.mark.parametrize("place", [{"position": 2}, {"position": 0}, {"position": 4, "length": 3}])
    def test_a_place_outside_the_response_is_refused(self, place: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="a position goes from 1 to the length"):
            gradient_scaling("pr", torch.tensor([-1.0]), **place)

    @pytest.mark.usefixtures("own_registry")
    def test_a_loss_of_ones_own_has_none(self) -> None:
        register_loss("own", lambda logits, labels: logits.sum(1))
        with pytest.raises(ValueError, match="own has no gradient of the form"):
            gradient_scaling("own", torch.tensor([-1.0]))
