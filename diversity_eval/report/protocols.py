"""Named protocols: which differences between runs a comparison allows, and prints all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["PROTOCOLS", "Protocol"]

_PROMPT = ("prompt", "add_bos_token", "system", "chat_template")


@dataclass(frozen=True)
class Protocol:
    """What may differ within a column.

    Attributes:
        title: one line for people.
        allowed: signature keys, for every task.
        by_task: further keys, by the beginning of the task's name.
        base_tasks: whether `TASK_base` counts as `TASK`: a base checkpoint gets a bare prompt where a
            fine-tuned one gets an instruction.
    """

    title: str
    allowed: tuple[str, ...] = ()
    by_task: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    base_tasks: bool = False

    def allowed_for(self, task: str) -> frozenset[str]:
        """The signature keys that may differ in a task."""
        more = [keys for begin, keys in self.by_task.items() if task.startswith(begin)]
        return frozenset(self.allowed).union(*more)


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "paper": Protocol(
            "base checkpoints beside fine-tuned ones, each with its own prompt; math sampled at T 1.0 or 0.3",
            allowed=_PROMPT,
            by_task=MappingProxyType(dict.fromkeys(("math500", "gsm8k", "minerva_math"), ("temperature",))),
            base_tasks=True,
        )
    }
)
"""By name. `paper` is how the tables of the paper were made (its sections 5 and D)."""
