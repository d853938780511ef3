"""How the fused loss behaves in a graph, and how much memory it asks for."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diversity_eval.training.losses import fused_linear_loss
from tests.training.losses import references
from tests.training.losses.heads import NAMES, Batch, batch, distance, plain


def fused(given: Batch, **more: Any) -> torch.Tensor:
    return fused_linear_loss(
        given.name, given.hidden, given.weight, given.labels, chunk_rows=8, **given.arguments(), **more
    )


class TestBackward:
    @pytest.mark.parametrize("train_head", [False, True])
    @pytest.mark.parametrize("name", references.NAMES)
    def test_of_a_scaled_loss(self, name: str, train_head: bool) -> None:
        given = batch(name, train_head=train_head, bias=train_head)
        torch.autograd.backward(fused(given) * 3)
        for leaf, expected in zip(
            given.leaves(), torch.autograd.grad(plain(given), given.leaves()), strict=True
        ):
            assert distance(leaf.grad, 3 * expected) < 5e-6

    def test_again_and_again_with_a_graph_that_is_kept(self) -> None:
        given = batch("tofu", train_head=True, bias=True)
        expected = torch.autograd.grad(plain(given), given.leaves())
        loss = fused(given)
        for times in (1, 2, 3):
            torch.autograd.backward(loss, retain_graph=True)
            for leaf, once in zip(given.leaves(), expected, strict=True):
                assert distance(leaf.grad, times * once) < 5e-6
        torch.autograd.backward(loss * 2)
        for leaf, once in zip(given.leaves(), expected, strict=True):
            assert distance(leaf.grad, 5 * once) < 5e-6

    def test_does_not_touch_what_it_hands_out(self) -> None:
        """A gradient is changed in place, as clipping does: a second backward does not start from that."""
        given = batch("tofu", train_head=True)
        expected = torch.autograd.grad(plain(given), given.leaves())
        loss = fused(given)
        torch.autograd.backward(loss, retain_graph=True)
        for leaf in given.leaves():
            assert leaf.grad is not None
            leaf.grad.mul_(0.1)
            leaf.grad = None
        torch.autograd.backward(loss)
        for leaf, once in zip(given.leaves(), expected, strict=True):
            assert distance(leaf.grad, once) < 5e-6

    def test_scaled_again_and_again(self) -> None:
        given = batch("tofu", train_head=True, bias=True)
        expected = torch.autograd.grad(plain(given), given.leaves())
        loss = fused(given)
        torch.autograd.backward(loss * 2, retain_graph=True)
        torch.autograd.backward(loss * 3)
        for leaf, once in zip(given.leaves(), expected, strict=True):
            assert distance(leaf.grad, 5 * once) < 5e-6

    def test_where_hidden_states_are_used_elsewhere_too(self) -> None:
        given = batch("tofu", train_head=True)
        hidden = given.hidden * 1.0
        loss = fused_linear_loss("tofu", hidden, given.weight, given.labels, **given.params)
        total = loss + hidden.square().sum() + given.weight.square().sum()
        found = torch.autograd.grad(total, given.leaves())
        alone = torch.autograd.grad(plain(given), given.leaves())
        for ours, theirs, leaf in zip(found, alone, given.leaves(), strict=True):
            assert distance(ours, theirs + 2 * leaf.detach()) < 5e-6

    def test_twice_in_one_graph(self) -> None:
        given = batch("focal")
        total = fused(given) + 2 * fused(given, num_items=10)
        (found,) = torch.autograd.grad(total, given.hidden)
        (expected,) = torch.autograd.grad(plain(given) + 2 * plain(given, num_items=10), given.hidden)
        assert distance(found, expected) < 5e-6

    @pytest.mark.parametrize("name", references.NAMES)
    def test_a_second_derivative_is_refused(self, name: str) -> None:
        given = batch(name)
        with pytest.raises(RuntimeError, match="no second derivative"):
            torch.autograd.grad(fused(given), given.hidden, create_graph=True)

    def test_in_gradient_checkpointing(self) -> None:
        from torch.utils.checkpoint import checkpoint

        given = batch("tofu", train_head=True)

        def through(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return fused_linear_loss("tofu", torch.tanh(hidden), weight, given.labels, **given.params)

        loss = checkpoint(through, given.hidden, given.weight, use_reentrant=False)
        expected = torch.autograd.grad(through(given.hidden, given.weight), given.leaves())
        for ours, theirs in zip(torch.autograd.grad(loss, given.leaves()), expected, strict=True):
            assert distance(ours, theirs) < 1e-6


def storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The sizes (in elements) of all tensors that are made: what an operation returns and was not given."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = {storage(each) for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)}
        out = func(*args, **kwargs)
        for each in tree_leaves(out):
            if isinstance(each, torch.Tensor) and storage(each) not in given:
                self.sizes.append(each.untyped_storage().nbytes() // each.itemsize)
        return out

    @property
    def largest(self) -> int:
        return max(self.sizes)


# Each kind of tensor has its size: tokens x size 1,280, weight 3,280, chunk 1,640, all logits 41,984.
TOKENS, SIZE, VOCABULARY, ROWS = 128, 10, 328, 5


@pytest.mark.usefixtures("own_loss")
class TestMemory:
    def run(self, given: Batch, **head: Any) -> Allocations:
        made = Allocations()
        with made:
            loss = fused_linear_loss(
                given.name, given.hidden, given.weight, given.labels, chunk_rows=ROWS,
                **given.arguments(), **head,
            )  # fmt: skip
            torch.autograd.backward(loss)
        return made

    def sized(self, name: str, **more: Any) -> Batch:
        return batch(name, tokens=TOKENS, size=SIZE, vocabulary=VOCABULARY, ignored=0.0, **more)

    def test_the_plain_loss_is_caught(self) -> None:
        given = self.sized("tofu")
        made = Allocations()
        with made:
            torch.autograd.backward(plain(given))
        assert made.largest == TOKENS * VOCABULARY

    @pytest.mark.parametrize("head", [{}, {"softcap": 3.0, "logit_scale": 0.5}])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("name", NAMES)
    def test_a_frozen_head_costs_a_chunk_and_no_gradient(
        self, name: str, dtype: torch.dtype, head: dict[str, Any]
    ) -> None:
        given = self.sized(name, dtype=dtype)
        made = self.run(given, **head)
        # nothing as large as the weight, not to speak of all logits
        assert made.largest == ROWS * VOCABULARY
        assert given.weight.grad is None
        assert given.hidden.grad is not None
        assert given.hidden.grad.any()

    @pytest.mark.parametrize("name", NAMES)
    def test_a_trainable_head_costs_its_gradient(self, name: str) -> None:
        given = self.sized(name, train_head=True, bias=True)
        assert self.run(given).largest == VOCABULARY * SIZE

    @pytest.mark.parametrize("name", NAMES)
    def test_the_hidden_states_are_held_once_more_and_no_oftener(self, name: str) -> None:
        made = self.run(self.sized(name))
        assert made.sizes.count(TOKENS * SIZE) == 1

    def test_hidden_states_that_take_no_gradient_cost_nothing(self) -> None:
        given = self.sized("tofu", train_head=True)
        given.hidden.requires_grad_(False)
        assert TOKENS * SIZE not in self.run(given).sizes

    @pytest.mark.parametrize("name", NAMES)
    def test_without_a_graph_there_are_no_gradients(self, name: str) -> None:
        given = self.sized(name, train_head=True, bias=True)
        for context in (torch.no_grad, torch.inference_mode):
            made = Allocations()
            with context(), made:
                loss = fused_linear_loss(
                    name, given.hidden, given.weight, given.labels, chunk_rows=ROWS, **given.arguments()
                )
            assert not loss.requires_grad
            assert loss.item() == pytest.approx(plain(given).item(), rel=1e-6)
            assert made.largest == ROWS * VOCABULARY

    def test_tokens_that_do_not_count_cost_no_arithmetic(self) -> None:
        given = self.sized("tofu")
        given.labels[ROWS:] = -100
        made = self.run(given)
        whole = self.run(self.sized("tofu"))
        assert len(made.sizes) < len(whole.sizes) / 5
