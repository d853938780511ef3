"""The five losses: worked by hand, against references, by their identities, and far out."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from diversity_eval.training.losses import token_loss
from diversity_eval.training.losses.formulas import cross_entropy, focal, gem, pr, tofu
from tests.training.losses import references

LN2, LN3, LN4, LN10 = math.log(2), math.log(3), math.log(4), math.log(10)

PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    ("ce", {}),
    *(("focal", {"gamma": gamma}) for gamma in (0.0, 0.5, 1.0, 3.0, 5.0)),
    *(("gem", {"beta": beta}) for beta in (0.1, 0.7, 1.0, 5.0)),
    *(
        ("pr", {"lam": lam, "alpha": alpha})
        for lam, alpha in itertools.product((0.1, 0.9), (0.0, 1e-5, 0.3, 1.0))
    ),
    ("pr", {"lam": 1.0, "alpha": 0.2}),
    ("pr", {"lam": 1.5, "alpha": 0.6}),
    *(
        ("tofu", {"gamma": gamma, "beta": beta})
        for gamma, beta in itertools.product((0.0, 0.5, 1.0, 3.0, 5.0), (0.1, 0.7, 1.0, 5.0))
    ),
]


def random_logits(
    count: int, vocabulary: int, spread: float, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, vocabulary, dtype=torch.float64, generator=generator) * spread
    return logits, torch.randint(vocabulary, (count,), generator=generator)


def gradient_of(losses: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(losses.sum(), logits)
    return found


# p = (1/4, 3/4) and p = (1/6, 1/3, 1/2)
TWO = [0.0, LN3]
THREE = [0.0, LN2, LN3]


@pytest.mark.parametrize(
    ("name", "logits", "label", "params", "expected"),
    [
        ("ce", TWO, 0, {}, LN4),
        ("ce", THREE, 1, {}, LN3),
        ("focal", TWO, 0, {"gamma": 2}, 9 / 16 * LN4),
        ("focal", THREE, 2, {"gamma": 1}, LN2 / 2),
        ("focal", THREE, 0, {}, (5 / 6) ** 3 * math.log(6)),
        # p^b = (1/10, 9/10): -ln 1/4 + ln 1/4 / 10 + 9 ln 3/4 / 10 = 9/10 ln 3
        ("gem", TWO, 0, {"beta": 0.5}, 0.9 * LN3),
        ("gem", TWO, 1, {"beta": 0.5}, -0.1 * LN3),
        # g = 9/16 + 2 * 1/4 * 3/4 * ln 4
        ("tofu", TWO, 0, {"gamma": 2, "beta": 0.5}, (9 / 16 + 3 / 8 * LN4) * 0.5 * LN10),
        # p^b = (1, 4, 9) / 14; g = 1/2 + 1/2 ln 2
        ("tofu", THREE, 2, {"gamma": 1, "beta": 0.5}, (0.5 + 0.5 * LN2) * 0.5 * math.log(14 / 9)),
    ],
)  # fmt: skip
def test_values_worked_by_hand(
    name: str, logits: list[float], label: int, params: dict[str, Any], expected: float
) -> None:
    found = token_loss(name, torch.tensor([logits], dtype=torch.float64), torch.tensor([label]), **params)
    assert found.item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("label", "position", "expected"),
    # lambda = 1/4, L = 2: t = 1/2; alpha = 1/2: delta = 1/3, and p / (alpha + (1 - alpha) p) of 1/4 is 2/5
    [(0, 1, 2 / 5 * LN4), (0, 2, 1 / 5 * LN4), (1, 1, 0.0)],
)
def test_pr_worked_by_hand(label: int, position: int, expected: float) -> None:
    found = pr(
        torch.tensor([TWO], dtype=torch.float64), torch.tensor([label]),
        lam=0.25, alpha=0.5, position=torch.tensor([position]), length=torch.tensor([2]),
    )  # fmt: skip
    assert found.item() == pytest.approx(expected, rel=1e-14)


def test_defaults_are_the_papers() -> None:
    logits, labels = random_logits(20, 9, 2.0)
    for name, params in references.DEFAULTS.items():
        place = references.place_tensors(name, references.places(20))
        assert torch.equal(
            token_loss(name, logits, labels, **place), token_loss(name, logits, labels, **place, **params)
        )


@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_values_and_gradients_equal_references(name: str, params: dict[str, Any]) -> None:
    logits, labels = random_logits(40, 11, 2.5, seed=1)
    place = references.places(40)
    tensors = references.place_tensors(name, place)
    logits.requires_grad_()
    losses = token_loss(name, logits, labels, **tensors, **params)
    found = gradient_of(losses, logits)
    exact = logits.detach().numpy()
    for row, label in enumerate(labels.tolist()):
        value = references.value(name, exact[row], label, params, place[row])
        assert losses[row].item() == pytest.approx(value, rel=1e-12, abs=1e-13)
        gradient = references.gradient(name, exact[row], label, params, place[row])
        np.testing.assert_allclose(found[row].numpy(), gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_gradients_equal_autograd_of_the_definition(name: str, params: dict[str, Any]) -> None:
    logits, labels = random_logits(30, 6, 1.5, seed=2)
    place = references.places(30, length=4)
    logits.requires_grad_()
    losses = token_loss(name, logits, labels, **references.place_tensors(name, place), **params)
    expected = references.naive(name, logits, labels, params, place)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(
        gradient_of(losses, logits), gradient_of(expected, logits), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 3.0, 5.0])
def test_gradcheck(gamma: float) -> None:
    logits, labels = random_logits(5, 4, 1.0, seed=3)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: focal(z, labels, gamma=gamma), (logits,))
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, labels), (logits,))


class TestIdentities:
    """What the paper proves of the losses' gradients."""

    def setup_method(self) -> None:
        self.logits, self.labels = random_logits(25, 8, 2.0, seed=4)
        self.logits.requires_grad_()
        p = torch.softmax(self.logits.detach(), -1)
        self.onehot = torch.nn.functional.one_hot(self.labels, 8).double()
        self.p = p
        self.p_label = (p * self.onehot).sum(-1, keepdim=True)

    def tempered(self, beta: float) -> torch.Tensor:
        return torch.softmax(self.logits.detach() / beta, -1)

    def g(self, gamma: float) -> torch.Tensor:
        p = self.p_label
        return (1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * torch.log(p)

    def check(self, losses: torch.Tensor, gradient: torch.Tensor) -> None:
        torch.testing.assert_close(gradient_of(losses, self.logits), gradient, rtol=1e-10, atol=1e-13)

    @pytest.mark.parametrize("beta", [0.3, 0.7, 2.0])
    def test_gems_gradient_is_that_of_tempered_cross_entropy(self, beta: float) -> None:
        tempered = -beta * torch.log(torch.softmax(self.logits / beta, -1)[torch.arange(25), self.labels])
        self.check(gem(self.logits, self.labels, beta=beta), gradient_of(tempered, self.logits))

    @pytest.mark.parametrize("gamma", [0.5, 1.0, 3.0])
    def test_focals_gradient_is_scaled(self, gamma: float) -> None:
        self.check(focal(self.logits, self.labels, gamma=gamma), self.g(gamma) * (self.p - self.onehot))

    @pytest.mark.parametrize(("gamma", "beta"), [(3.0, 0.8), (1.0, 0.3), (0.5, 2.0)])
    def test_tofus_gradient_is_scaled_and_tempered(self, gamma: float, beta: float) -> None:
        expected = self.g(gamma) * (self.tempered(beta) - self.onehot)
        self.check(tofu(self.logits, self.labels, gamma=gamma, beta=beta), expected)

    @pytest.mark.parametrize("beta", [0.3, 0.8, 2.0])
    def test_tofu_at_gamma_0_is_scaled_tempered_cross_entropy(self, beta: float) -> None:
        losses = tofu(self.logits, self.labels, gamma=0.0, beta=beta)
        expected = beta * torch.nn.functional.cross_entropy(self.logits / beta, self.labels, reduction="none")
        torch.testing.assert_close(losses, expected, rtol=1e-12, atol=0)
        self.check(losses, self.tempered(beta) - self.onehot)

    @pytest.mark.parametrize("losses", [
        lambda z, y: tofu(z, y, gamma=0.0, beta=1.0),
        lambda z, y: focal(z, y, gamma=0.0),
        cross_entropy,
        # no token is likelier than delta = 1, and p / (alpha + (1 - alpha) p) is 1 but for alpha / p
        lambda z, y: pr(z, y, lam=1.0, alpha=1e-14, position=torch.ones(25), length=torch.ones(25)),
    ])  # fmt: skip
    def test_without_scaling_and_temperature_there_is_cross_entropy(self, losses: Any) -> None:
        found = losses(self.logits, self.labels)
        expected = torch.nn.functional.cross_entropy(self.logits, self.labels, reduction="none")
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
        self.check(found, self.p - self.onehot)

    def test_gem_at_beta_1_is_cross_entropy_less_the_entropy(self) -> None:
        entropy = -(self.p * self.p.log()).sum(-1)
        found = gem(self.logits, self.labels, beta=1.0)
        torch.testing.assert_close(found + entropy, cross_entropy(self.logits, self.labels))
        self.check(found, self.p - self.onehot)

    def test_pr_at_alpha_1_weighs_by_the_probability(self) -> None:
        length = torch.full((25,), 5)
        position = torch.arange(25).double() % 5 + 1
        losses = pr(self.logits, self.labels, lam=0.4, alpha=1.0, position=position, length=length)
        p = self.p_label.squeeze(1)
        kept = p <= 0.4 ** (1 / 5)  # delta = lambda^(1/L)
        assert 0 < kept.sum() < 25
        weight = kept * 0.4 ** ((position - 1) / 5) * p
        torch.testing.assert_close(losses, -weight * p.log())
        self.check(losses, weight.unsqueeze(1) * (self.p - self.onehot))

    def test_pr_at_alpha_0_keeps_nothing(self) -> None:
        place = references.place_tensors("pr", references.places(25))
        losses = pr(self.logits, self.labels, lam=0.5, alpha=0.0, **place)
        assert not losses.any()


EXTREMES = [
    [1e4, -1e4, 0.0],  # p is exactly 1 for the first, and underflows for the others
    [1e4, 1e4, -1e4],
    [1e4, 1e4, 1e4],
    [-1e4, -1e4, -1e4],
    [0.0, 0.0, 0.0],
    [20.0, 0.0, 0.0],  # p rounds to 1 in float32
    [8.0, 0.0, -8.0],
    [88.0, 0.0, -89.0],
    [104.0, 0.0, -1e4],  # e^-104 is 0 in float32
    [1e4, 9984.0, 9983.0],
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_far_out_nothing_is_nan_and_all_is_right(
    name: str, params: dict[str, Any], dtype: torch.dtype
) -> None:
    logits = torch.tensor(EXTREMES, dtype=dtype).repeat_interleave(3, 0).requires_grad_()
    labels = torch.arange(3).repeat(len(EXTREMES))
    place = references.places(len(labels))
    losses = token_loss(name, logits, labels, **references.place_tensors(name, place), **params)
    found = gradient_of(losses, logits).double()
    assert losses.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.isfinite(losses).all()
    assert torch.isfinite(found).all()
    exact = logits.detach().double().numpy()
    # The logarithm of a p near 1 is known to 1e-7 in float32 (2e-16 in float64), and so is 1 - p; a power
    # below 1 magnifies that.
    unit = 3e-16 if dtype == torch.float64 else 1.2e-7
    relative, absolute = 20 * unit, 10 * unit ** min(1.0, params.get("gamma") or 1.0)
    rounding = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-10}.get(dtype, relative)
    for row, label in enumerate(labels.tolist()):
        value = references.value(name, exact[row], label, params, place[row])
        assert losses[row].item() == pytest.approx(value, rel=relative, abs=absolute)
        gradient = references.gradient(name, exact[row], label, params, place[row])
        np.testing.assert_allclose(found[row].numpy(), gradient, rtol=rounding, atol=absolute)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("name", "params"), PARAMETERS)
def test_losses_go_from_certain_to_impossible_without_a_hole(
    name: str, params: dict[str, Any], dtype: torch.dtype
) -> None:
    """A margin over all of the range, both ways, and every power of two down to where 1 - p rounds away."""
    margins = torch.cat([torch.linspace(-1e4, 1e4, 301), torch.logspace(-10, 13, 200, base=2.0)])
    logits = torch.stack([margins / 2, -margins / 2], 1).to(dtype).requires_grad_()
    labels = torch.zeros(len(margins), dtype=torch.long)
    place = references.place_tensors(name, references.places(len(margins)))
    losses = token_loss(name, logits, labels, **place, **params)
    assert torch.isfinite(losses).all()
    assert torch.isfinite(gradient_of(losses, logits)).all()
    if name != "gem":
        assert (losses >= 0).all()
