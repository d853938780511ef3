"""The gradient that the fused loss writes down is the one that autograd finds."""

import pytest
import torch

from diversity_eval.training.losses import loss_named
from diversity_eval.training.losses.closed_form import CLOSED_FORMS, Terms
from tests.training.losses import references


def test_there_is_one_for_each_loss() -> None:
    assert tuple(CLOSED_FORMS) == references.NAMES


@pytest.mark.parametrize("name", references.NAMES)
@pytest.mark.parametrize("spread", [0.3, 2.0, 30.0])
def test_gradient_and_value_equal_the_functions(name: str, spread: float) -> None:
    form, values = CLOSED_FORMS[name], references.TELLING[name]
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(60, 7, dtype=torch.float64, generator=generator) * spread
    labels = torch.randint(7, (60,), generator=generator)
    place = references.place_tensors(name, references.places(60))
    logits.requires_grad_()
    losses = loss_named(name).function(logits, labels, **values, **place)
    (expected,) = torch.autograd.grad(losses.sum(), logits)

    z = logits.detach()
    rows = torch.arange(60)
    log_p = z.log_softmax(1)
    tempered = (z / form.temperature(values)).log_softmax(1)
    scaling = form.scaling(log_p[rows, labels], values, place.get("position"), place.get("length"))
    direction = tempered.exp()
    direction[rows, labels] -= 1
    torch.testing.assert_close(scaling.unsqueeze(1) * direction, expected, rtol=1e-9, atol=1e-13)
    terms = Terms(log_p[rows, labels], tempered[rows, labels], (tempered.exp() * log_p).sum(1))
    torch.testing.assert_close(form.value(terms, scaling, values), losses.detach(), rtol=1e-11, atol=1e-13)


def test_temperatures() -> None:
    assert {name: form.temperature(references.DEFAULTS[name]) for name, form in CLOSED_FORMS.items()} == {
        "ce": 1.0, "focal": 1.0, "gem": 0.7, "pr": 1.0, "tofu": 0.8
    }  # fmt: skip
