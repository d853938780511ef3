"""The factors before a gradient, against 60 digits, and where a probability has no digits left."""

import math
from decimal import Decimal, localcontext

import pytest
import torch

from diversity_eval.training.losses.scaling import focal_scaling, focal_weight, pr_weight

GAMMAS = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0]
# from confidently wrong (p underflows in float64 too) to confidently right (p rounds to 1 in float32)
LOG_PS = [-2e4, -800.0, -100.0, -20.0, -3.0, -1.0, -0.1, -1e-3, -1e-6, -1e-9, -1e-12]


def exact_g(log_p: float, gamma: float) -> Decimal:
    p, power = Decimal(log_p).exp(), Decimal(gamma)
    return (1 - p) ** power - power * p * (1 - p) ** (power - 1) * Decimal(log_p)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_factors_equal_60_digits(gamma: float, dtype: torch.dtype, tolerance: float) -> None:
    log_p = torch.tensor(LOG_PS, dtype=dtype)
    with localcontext(prec=60):
        g = [float(exact_g(each, gamma)) for each in log_p.tolist()]
        weight = [float((1 - Decimal(each).exp()) ** Decimal(gamma)) for each in log_p.tolist()]
    assert focal_scaling(log_p, gamma).tolist() == pytest.approx(g, rel=tolerance, abs=1e-37)
    assert focal_weight(log_p, gamma).tolist() == pytest.approx(weight, rel=tolerance, abs=1e-37)


def test_g_worked_by_hand() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    log_p = torch.tensor([half, quarter], dtype=torch.float64)
    assert focal_scaling(log_p, 1.0).tolist() == pytest.approx([0.5 - 0.5 * half, 0.75 - 0.25 * quarter])
    assert focal_scaling(log_p, 3.0).tolist() == pytest.approx(
        [1 / 8 - 3 / 8 * half, 27 / 64 - 27 / 64 * quarter]
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_factors_at_the_ends(gamma: float, dtype: torch.dtype) -> None:
    log_p = torch.tensor([-1e4, -0.0], dtype=dtype, requires_grad=True)
    g, weight = focal_scaling(log_p, gamma), focal_weight(log_p, gamma)
    expected = [1.0, 1.0 if gamma == 0 else 0.0]
    assert g.tolist() == pytest.approx(expected, abs=1e-15)
    assert weight.tolist() == pytest.approx(expected, abs=1e-15)
    (slope,) = torch.autograd.grad((weight * log_p).sum(), log_p)
    assert torch.isfinite(slope).all()


def test_g_rises_above_1_and_falls_to_0() -> None:
    log_p = torch.linspace(1e-6, 1 - 1e-6, 10_001, dtype=torch.float64).log()
    for gamma in (1.0, 2.0, 3.0, 5.0):
        g = focal_scaling(log_p, gamma)
        assert g.min() >= 0
        assert g.max() > 1
        peak = int(g.argmax())
        assert (g[:peak].diff() > 0).all()
        assert (g[peak:].diff() < 0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
@pytest.mark.parametrize("length", [1, 2, 37, 2048])
@pytest.mark.parametrize(
    ("lam", "alpha"),
    [(0.1, 1e-5), (0.1, 0.0), (0.1, 1.0), (0.9, 0.3), (1.0, 1e-3), (1.3, 0.5), (2.0, 1.0), (0.1, 1e-30)],
)
def test_pr_weight_equals_60_digits(
    lam: float, alpha: float, length: int, dtype: torch.dtype, tolerance: float
) -> None:
    with localcontext(prec=60):
        base, share = Decimal(lam), Decimal(alpha)
        root = base ** (Decimal(1) / length)
        delta = share * root / (1 - (1 - share) * root)
        threshold = float(delta.ln()) if delta else -math.inf
        steps = (0.5, 0.999, 1.001, 1.5)
        near = [threshold * each for each in steps] if -2e4 < threshold < 0 else []
        log_p = torch.tensor([*LOG_PS, *near], dtype=dtype)
        position = torch.arange(len(log_p)) % length + 1
        expected = []
        for each, place in zip(log_p.tolist(), position.tolist(), strict=True):
            p = Decimal(each).exp()
            decay = base ** (Decimal(place - 1) / length)
            expected.append(float(decay * p / (share + (1 - share) * p)) if p <= delta else 0.0)
    found = pr_weight(log_p, lam, alpha, position, torch.full_like(position, length))
    assert found.dtype == dtype
    assert found.tolist() == pytest.approx(expected, rel=tolerance, abs=1e-37)


def test_pr_weight_falls_with_the_place_by_the_responses_length() -> None:
    log_p = torch.full((4,), -8.0, dtype=torch.float64)
    found = pr_weight(log_p, 0.1, 0.01, torch.arange(1, 5), torch.full((4,), 4))
    assert (found[1:] / found[:-1]).tolist() == pytest.approx([0.1**0.25] * 3)
    longer = pr_weight(log_p, 0.1, 0.01, torch.arange(1, 5), torch.full((4,), 40))
    assert (longer[1:] / longer[:-1]).tolist() == pytest.approx([0.1**0.025] * 3)
