"""Losses by name: defaults, limits, and a user's own."""

import re
from typing import Any

import pytest
import torch

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.losses import (
    check_loss,
    loss_named,
    loss_names,
    register_loss,
    token_loss,
)
from tests.training.losses import references

pytestmark = pytest.mark.usefixtures("own_registry")


def margin(logits: torch.Tensor, labels: torch.Tensor, *, room: float = 1.0) -> torch.Tensor:
    """By how much the label's logit falls short of the largest."""
    own = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    return (logits.amax(1) + room - own).clamp_min(0)


def test_names_and_defaults() -> None:
    assert tuple(loss_names()) == references.NAMES
    for name, values in references.DEFAULTS.items():
        assert loss_named(name).parameters({}) == values
        assert loss_named(name).needs_place == (name == "pr")
        assert loss_named(name).closed_form is not None


@pytest.mark.parametrize("given", [{"lam": 0.4}, {"lambda_": 0.4}, {"lambda": 0.4}])
def test_lambda_has_three_spellings(given: dict[str, Any]) -> None:
    assert check_loss("pr", given) == {"lam": 0.4, "alpha": 1e-5}
    logits, labels = torch.tensor([[0.0, 5.0]]), torch.tensor([0])
    place: dict[str, Any] = {"position": torch.tensor([2]), "length": torch.tensor([3])}
    found = token_loss("pr", logits, labels, **place, alpha=0.5, **given)
    expected = references.value("pr", [0.0, 5.0], 0, {"lam": 0.4, "alpha": 0.5}, (2, 3))
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("tofoo", {}, ["no loss 'tofoo'", "ce, focal, gem, pr, tofu", "did you mean tofu?"]),
        ("TOFU", {}, ["did you mean tofu?"]),
        ("xyz", {}, ["no loss 'xyz'", "ce, focal, gem, pr, tofu"]),
        (None, {}, ["no loss None"]),
        (["ce"], {}, ["no loss ['ce']"]),
        ("ce", {"gamma": 1}, ["ce has no parameter 'gamma'", "it has: none"]),
        ("tofu", {"gama": 1}, ["tofu has no parameter 'gama'", "it has: gamma, beta"]),
        ("pr", {"lamda": 1}, ["pr has no parameter 'lamda'", "it has: lambda, alpha"]),
        ("focal", {"lambda": 1}, ["focal has no parameter 'lambda'"]),
        ("pr", {"lam": 0.1, "lambda": 0.2}, ["pr: lambda is given twice"]),
        ("focal", {"gamma": -0.1}, ["gamma = -0.1", "0 or more"]),
        ("tofu", {"gamma": -1}, ["gamma = -1", "0 or more"]),
        ("tofu", {"beta": 0}, ["beta = 0", "more than 0"]),
        ("gem", {"beta": -0.5}, ["beta = -0.5", "more than 0"]),
        ("pr", {"lambda": 0}, ["lambda = 0", "more than 0"]),
        ("pr", {"lambda": -1}, ["lambda = -1", "more than 0"]),
        ("pr", {"alpha": -0.01}, ["alpha = -0.01", "0 to 1"]),
        ("pr", {"alpha": 1.01}, ["alpha = 1.01", "0 to 1"]),
        ("pr", {"lambda": 1, "alpha": 0}, ["lambda = 1", "alpha = 0", "delta undefined"]),
        ("pr", {"lambda": 2, "alpha": 0.5}, ["lambda = 2", "alpha = 0.5", "delta undefined"]),
        ("tofu", {"gamma": float("nan")}, ["tofu: gamma = nan", "finite number"]),
        ("tofu", {"beta": float("inf")}, ["tofu: beta = inf", "finite number"]),
        ("tofu", {"gamma": True}, ["tofu: gamma = True", "finite number"]),
        ("tofu", {"gamma": "3"}, ["tofu: gamma = '3'", "finite number"]),
        ("tofu", {"gamma": None}, ["tofu: gamma = None", "finite number"]),
        ("pr", {"lambda": "x"}, ["pr: lambda = 'x'", "finite number"]),
        ("focal", {"gamma": 10**400}, ["focal: gamma = 1000", "finite number"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(name: Any, given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(DiversityEvalError) as caught:
        check_loss(name, given)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        token_loss(name, torch.zeros(1, 2), torch.tensor([0]), **given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("focal", {"gamma": 0}),
        ("tofu", {"gamma": 0, "beta": 1e-3}),
        ("pr", {"alpha": 0}),
        ("pr", {"alpha": 1, "lambda": 100}),
        ("pr", {"lambda": 1, "alpha": 1e-9}),
        ("pr", {"lambda": 1.99, "alpha": 0.5}),
    ],
)
def test_the_limits_themselves_are_allowed(name: str, given: dict[str, Any]) -> None:
    assert (
        check_loss(name, given).items()
        >= {("lam" if k == "lambda" else k): v for k, v in given.items()}.items()
    )


class TestAUsersOwn:
    def test_is_known_everywhere_with_its_parameters(self) -> None:
        assert register_loss("margin", margin) is margin
        assert loss_names()[-1] == "margin"
        assert check_loss("margin", {}) == {"room": 1.0}
        loss = loss_named("margin")
        assert loss.closed_form is None
        assert not loss.needs_place
        logits, labels = torch.tensor([[1.0, 3.0], [4.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 0, -100])
        assert token_loss("margin", logits, labels, room=2).tolist() == [4.0, 2.0, 0.0]
        with pytest.raises(DiversityEvalError, match="did you mean margin"):
            check_loss("margn", {})

    def test_as_a_decorator_with_a_check_and_places(self) -> None:
        def check(values: Any) -> None:
            if values["rate"] > 1:
                raise ValueError("rate is too high")

        @register_loss("late", check=check)
        def late(
            logits: torch.Tensor, labels: torch.Tensor, *, position: torch.Tensor, length: torch.Tensor,
            rate: float = 0.5,
        ) -> torch.Tensor:  # fmt: skip
            return rate * position / length * logits.sum(1)

        assert loss_named("late").function is late
        assert loss_named("late").needs_place
        assert check_loss("late", {}) == {"rate": 0.5}
        with pytest.raises(DiversityEvalError, match="rate is too high"):
            check_loss("late", {"rate": 2})
        found = token_loss(
            "late", torch.ones(1, 3, 2), torch.tensor([[0, 1, -100]]),
            position=torch.tensor([[1, 2, 9]]), length=torch.tensor([[2, 2, 1]]),
        )  # fmt: skip
        assert found.tolist() == [[0.5, 1.0, 0.0]]

    def test_registering_the_same_function_again_is_fine(self) -> None:
        register_loss("margin", margin)
        register_loss("margin", margin)
        assert loss_names().count("margin") == 1

    def test_a_taken_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match="there is a loss 'tofu' already"):
            register_loss("tofu", margin)

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda logits, labels, *, gamma: logits, "'gamma' needs a number"),
            (lambda logits, labels, *, gamma="3": logits, "'gamma' needs a number"),
            (lambda logits, labels, *, flag=True: logits, "'flag' needs a number"),
            (lambda logits, labels, *, gamma=float("nan"): logits, "'gamma' needs a number"),
            (lambda logits, labels, *, position: logits, "`position` and `length` come together"),
            (lambda logits, labels, *, length: logits, "`position` and `length` come together"),
            (lambda logits, labels, gamma=3.0: logits, r"expected function\(logits, labels, \*, parameter="),
            (lambda logits: logits, r"expected function\(logits, labels, \*, parameter="),
            (lambda logits, labels, **rest: logits, r"expected function\(logits, labels, \*, parameter="),
            (lambda logits, labels, *, bias=1.0: logits, "cannot be called 'bias'"),
            (lambda logits, labels, *, entropy=1.0: logits, "cannot be called 'entropy'"),
        ],
    )  # fmt: skip
    def test_a_function_of_another_form_is_refused(self, function: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            register_loss("odd", function)
        assert "odd" not in loss_names()

    @pytest.mark.parametrize(
        ("returned", "found"),
        [
            (lambda z: z.sum(), r"\(\)"),
            (lambda z: z, r"\(4, 3\)"),
            (lambda z: 1.0, "float"),
            (lambda z: None, "None"),
        ],
    )
    def test_a_result_of_another_shape_is_refused(self, returned: Any, found: str) -> None:
        register_loss("odd", lambda logits, labels: returned(logits))
        with pytest.raises(
            ValueError, match=f"the loss odd returned {found}.* for 4 tokens: expected one each"
        ):
            token_loss("odd", torch.zeros(4, 3), torch.zeros(4, dtype=torch.long))
