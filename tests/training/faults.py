"""Forward passes that go wrong, in a model that the trainer loads."""

from collections.abc import Container
from typing import Any, Literal

import pytest
import torch

from diversity_eval.training import loading

__all__ = ["Fault", "break_passes"]

Fault = Literal["loss", "gradient", "interrupt"]


def break_passes(monkeypatch: pytest.MonkeyPatch, fault: Fault, passes: Container[int]) -> None:
    """Break the forward passes of these numbers (from 0, in training).

    Their hidden states are NaN (`loss`), or the gradients of these (`gradient`), or it is as if somebody
    pressed Ctrl-C (`interrupt`).
    """
    load = loading.load_base

    def load_broken(settings: Any) -> Any:
        loaded = load(settings)
        count = -1

        def after(module: Any, _: Any, output: torch.Tensor) -> torch.Tensor:
            nonlocal count
            if not module.training:
                return output
            count += 1
            if count not in passes:
                return output
            if fault == "interrupt":
                raise KeyboardInterrupt
            if fault == "loss":
                return output * float("nan")
            register: Any = output.register_hook
            register(lambda gradient: gradient * float("nan"))
            return output

        loaded.model.model.norm.register_forward_hook(after)
        return loaded

    monkeypatch.setattr(loading, "load_base", load_broken)
