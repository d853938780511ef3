"""Accuracy of many questions with labelled options."""

from collections.abc import Sequence
from typing import Any

from diversity_eval.metrics.choice import choice_metrics, extract_label
from diversity_eval.scoring.family import Names, PromptResponses

__all__ = ["ChoiceScorer"]


class ChoiceScorer:
    """Whether the label that a response names is the right one; the mean over a question's responses."""

    def __init__(self, *, macro: bool = False, begun: str = "") -> None:
        """Say what is measured.

        Args:
            macro: also give `accuracy_macro`: the same value under a name that groups average over their
                tasks, each task counting the same, where `accuracy` counts each question the same.
            begun: what the prompt ends in and the response goes on from (`Answer:`); empty for nothing.
        """
        self._macro = macro
        self._begun = begun
        macro_names: dict[str, bool | None] = {"accuracy_macro": True} if macro else {}
        self.names = Names(
            main={"accuracy": True, **macro_names, "unparsed": False},
            parameters={"": {"answer": "the label after Answer"}},
        )

    def judge_all(self, prompts: Sequence[PromptResponses]) -> None:
        """Nothing that is better done for all at once."""

    def values(self, prompt: PromptResponses) -> dict[str, float]:
        """The prompt's metrics: shares of its responses (one, unless a user drew more)."""
        found = [choice_metrics(label, prompt.reference) for label in self._labels(prompt)]
        values = {name: sum(one[name] for one in found) / len(found) for name in ("accuracy", "unparsed")}
        return {**values, "accuracy_macro": values["accuracy"]} if self._macro else values

    def notes(self, prompt: PromptResponses) -> dict[str, Any]:
        """The labels that the responses name; None where there is none."""
        return {"labels": self._labels(prompt)}

    def _labels(self, prompt: PromptResponses) -> list[str | None]:
        return [extract_label(f"{self._begun} {text}", prompt.labels) for text in prompt.responses]
