"""What the fused loss takes and gives beside the loss, what it refuses, and losses of a user's own."""

from typing import Any

import pytest
import torch

from diversity_eval.training.losses import fused_linear_loss, fused_linear_loss_parts, register_loss
from tests.training.losses import references
from tests.training.losses.heads import NAMES, batch, distance, plain

pytestmark = pytest.mark.usefixtures("own_loss")


class TestNothingCounts:
    @pytest.mark.parametrize("items", [None, 0, torch.tensor(0), 8])
    @pytest.mark.parametrize("name", NAMES)
    def test_gives_0_tied_to_the_graph(self, name: str, items: Any) -> None:
        given = batch(name, train_head=True, bias=True)
        given.labels.fill_(-100)
        loss, statistics = fused_linear_loss_parts(
            name, given.hidden, given.weight, given.labels, num_items=items, entropy=True, **given.arguments()
        )
        assert loss.item() == 0
        assert statistics.tokens == 0
        assert statistics.p_label == 0
        assert statistics.entropy == 0
        torch.autograd.backward(loss)
        for leaf in given.leaves():
            assert leaf.grad is not None
            assert not leaf.grad.any()

    def test_no_tokens_at_all(self) -> None:
        hidden = torch.zeros(0, 4, requires_grad=True)
        loss = fused_linear_loss("tofu", hidden, torch.ones(3, 4), torch.zeros(0, dtype=torch.long))
        torch.autograd.backward(loss)
        assert loss.item() == 0
        assert hidden.grad is not None
        assert hidden.grad.shape == (0, 4)


class TestNumItems:
    @pytest.mark.parametrize(
        "items", [50, 50.0, torch.tensor(50), torch.tensor(50.0), torch.tensor([50]), torch.tensor(50).half()]
    )
    def test_any_kind_of_number(self, items: Any) -> None:
        given = batch("tofu")
        loss = fused_linear_loss("tofu", given.hidden, given.weight, given.labels, num_items=items)
        assert loss.shape == ()
        assert loss.item() == pytest.approx(plain(given, num_items=50).item(), rel=1e-6)

    def test_two_halves_make_the_whole(self) -> None:
        given = batch("tofu", tokens=40)
        items = int((given.labels != -100).sum())
        whole = fused_linear_loss("tofu", given.hidden, given.weight, given.labels)
        (expected,) = torch.autograd.grad(whole, given.hidden)
        halves = [
            fused_linear_loss("tofu", given.hidden[part], given.weight, given.labels[part], num_items=items)
            for part in (slice(0, 13), slice(13, 40))
        ]
        torch.autograd.backward(halves)
        assert sum(each.item() for each in halves) == pytest.approx(whole.item(), rel=1e-6)
        assert distance(given.hidden.grad, expected) < 1e-6

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            (0, "num_items = 0: expected more than 0, since 37 tokens count"),
            (torch.tensor(0), "num_items = 0: expected more than 0"),
            (-3.5, "num_items = -3.5"),
            (float("nan"), "num_items = nan"),
            (float("inf"), "num_items = inf"),
            ("many", "num_items = 'many': expected one number"),
            (torch.tensor([1, 2]), "expected one number"),
        ],
    )
    def test_what_is_no_number_of_items(self, items: Any, message: str) -> None:
        given = batch("ce", ignored=0)
        with pytest.raises(ValueError, match=message):
            fused_linear_loss("ce", given.hidden, given.weight, given.labels, num_items=items)


@pytest.mark.parametrize("name", NAMES)
def test_statistics(name: str) -> None:
    given = batch(name, bias=True)
    head: dict[str, Any] = {"softcap": 4.0, "logit_scale": 0.7}
    loss, statistics = fused_linear_loss_parts(
        name, given.hidden, given.weight, given.labels, num_items=5, entropy=True, chunk_rows=6, **head,
        **given.arguments(),
    )  # fmt: skip
    counts = given.labels != -100
    logits = torch.nn.functional.linear(given.hidden, given.weight, given.bias).detach().double()
    p = torch.softmax(4 * torch.tanh(logits * 0.7 / 4), -1)[counts]
    own = p[torch.arange(int(counts.sum())), given.labels[counts]]
    assert statistics.tokens == counts.sum()
    assert statistics.p_label.item() == pytest.approx(own.sum().item(), rel=1e-6)
    assert statistics.entropy is not None
    assert statistics.entropy.item() == pytest.approx(-(p * p.log()).sum().item(), rel=1e-6)
    assert not statistics.p_label.requires_grad
    assert not statistics.entropy.requires_grad
    same, without = fused_linear_loss_parts(
        name, given.hidden, given.weight, given.labels, num_items=5, **head, **given.arguments()
    )
    assert without.entropy is None
    assert same.item() == pytest.approx(loss.item(), rel=1e-6)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"name": "tofoo"}, "no loss 'tofoo'.*did you mean tofu"),
            ({"gama": 1.0}, "tofu has no parameter 'gama'"),
            ({"gamma": -1.0}, "gamma = -1: expected 0 or more"),
            ({"gamma": "3"}, "gamma = '3': expected a finite number"),
            ({"beta": float("nan")}, "beta = nan: expected a finite number"),
            ({"labels": torch.zeros(3, dtype=torch.long)}, r"labels \(3,\) do not fit hidden.*\(4, 5\)"),
            ({"labels": torch.tensor([0, 1, 2, 7])}, "labels go from 0 to 7; expected -100, or 0 to 6"),
            ({"labels": torch.tensor([0, 1, 2, -1])}, "labels go from -1 to 2"),
            ({"labels": torch.zeros(4)}, "labels are torch.float32; expected token ids"),
            ({"weight": torch.zeros(7, 6)}, r"weight \(7, 6\) does not fit hidden states \(4, 5\)"),
            ({"weight": torch.zeros(5)}, r"weight \(5,\) does not fit"),
            ({"bias": torch.zeros(5)}, r"bias \(5,\) does not fit weight \(7, 5\)"),
            ({"softcap": 0.0}, "softcap = 0.0: expected more than 0"),
            ({"softcap": -30.0}, "softcap = -30.0: expected more than 0"),
            ({"softcap": float("nan")}, "softcap = nan: expected more than 0"),
            ({"logit_scale": float("nan")}, "logit_scale = nan: expected a finite number"),
            ({"chunk_rows": 0}, "chunk_rows = 0: expected 1 or more"),
            ({"name": "pr"}, "the loss pr needs `position` and `length`"),
            ({"name": "pr", "position": torch.ones(4)}, "the loss pr needs `position` and `length`"),
            ({"name": "pr", "position": torch.ones(3), "length": torch.ones(3)}, "do not fit labels"),
            ({"name": "pr", "position": torch.zeros(4), "length": torch.ones(4)}, "from 1 to the length"),
        ],
    )  # fmt: skip
    def test_names_what_is_wrong(self, changed: dict[str, Any], message: str) -> None:
        arguments: dict[str, Any] = {
            "name": "tofu", "hidden": torch.zeros(4, 5), "weight": torch.zeros(7, 5),
            "labels": torch.tensor([0, 1, -100, 6]), **changed,
        }  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fused_linear_loss(**arguments)

    def test_a_loss_of_ones_own_with_another_shape(self) -> None:
        register_loss("odd", lambda logits, labels: logits)
        given = batch("ce", ignored=0)
        with pytest.raises(ValueError, match="the loss odd returned"):
            fused_linear_loss("odd", given.hidden, given.weight, given.labels)


class TestLossesOfOnesOwn:
    """Gradients of forms that autograd hands over differently."""

    @pytest.mark.parametrize(
        "function",
        [
            lambda logits, labels: logits.sum(1),  # its gradient is one number, expanded
            lambda logits, labels: logits[:, 0],
            lambda logits, labels: (logits.detach() * 2).sum(1),  # constant
            lambda logits, labels: logits.new_ones(len(labels)),
        ],
    )
    @pytest.mark.parametrize("softcap", [None, 3.0])
    def test_equals_the_plain_loss(self, function: Any, softcap: float | None) -> None:
        register_loss("odd", function)
        given = batch("odd", train_head=True, bias=True)
        loss = fused_linear_loss(
            "odd", given.hidden, given.weight, given.labels, softcap=softcap, chunk_rows=5, bias=given.bias
        )
        expected = plain(given, softcap=softcap)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
        theirs = [torch.zeros_like(leaf) for leaf in given.leaves()]
        if expected.requires_grad:
            theirs = list(torch.autograd.grad(expected, given.leaves()))
        for ours, each in zip(torch.autograd.grad(loss, given.leaves()), theirs, strict=True):
            torch.testing.assert_close(ours, each)

    def test_places_come_in_chunks(self) -> None:
        def by_place(
            logits: torch.Tensor, labels: torch.Tensor, *, position: torch.Tensor, length: torch.Tensor
        ) -> torch.Tensor:
            return logits.square().sum(1) * position / length

        register_loss("by place", by_place)
        given = batch("by place")
        given.place = references.place_tensors("pr", references.places(37))
        loss = fused_linear_loss(
            "by place", given.hidden, given.weight, given.labels, chunk_rows=4, **given.place
        )
        expected = plain(given)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        (gradient,) = torch.autograd.grad(loss, given.hidden)
        assert distance(gradient, torch.autograd.grad(expected, given.hidden)[0]) < 5e-6
