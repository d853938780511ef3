"""Families of metrics: what a kind of task measures beside the diversity of its responses."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = [
    "FamilyNames",
    "MetricFamily",
    "Names",
    "PromptResponses",
    "category_slug",
    "known_categories",
    "odd_categories",
]

_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class PromptResponses:
    """The responses to one prompt, and what is known of it.

    Attributes:
        responses: cleaned, in the order of their samples.
        prompt: what was asked, as a judge is shown it.
        kind: of task: which rubric a judge uses.
        categories: what values are given apart for.
        reference: the right answer, where the task has one.
        labels: the options to choose from, where the task has some.
    """

    responses: tuple[str, ...]
    prompt: str = ""
    kind: str = "instruction"
    categories: tuple[str, ...] = ()
    reference: str = ""
    labels: tuple[str, ...] = ()


class FamilyNames(Protocol):
    """What a family reports."""

    @property
    def directions(self) -> Mapping[str, bool | None]:
        """The means over prompts, and whether more is better (None: neither); those by category included."""

    @property
    def by_category(self) -> Sequence[str]:
        """Those of them that are over the prompts of one category."""

    @property
    def counts(self) -> Sequence[str]:
        """The results that are added up over prompts."""

    def fields(self, name: str) -> dict[str, str] | None:
        """A mean's own fields in its signature; None for metrics that are not of this family."""


class MetricFamily(Protocol):
    """Metrics that a task has because of what it asks: answers that are right, requests that are refused."""

    @property
    def names(self) -> FamilyNames:
        """What is reported; after `judge_all` also what could only be found out by then."""

    def judge_all(self, prompts: Sequence[PromptResponses]) -> None:
        """Do what is best done for all prompts at once. Called before `values`."""

    def values(self, prompt: PromptResponses) -> dict[str, float]:
        """The prompt's metrics and counts; nan where there is no value."""

    def notes(self, prompt: PromptResponses) -> dict[str, Any]:
        """What the sample log says beside the metrics."""


@dataclass(frozen=True)
class Names:
    """`FamilyNames` for a family whose metrics are known beforehand.

    Attributes:
        main: the metrics over all prompts, and whether more is better.
        counts: results that are sums over prompts.
        categories: slugs (`category_slug`) of the prompts' categories.
        apart: the metrics of `main` that are also given by category.
        parameters: what a metric depends on, for its signature; `""` is for all of them.
    """

    main: Mapping[str, bool | None]
    counts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def directions(self) -> Mapping[str, bool | None]:
        """As `FamilyNames.directions`."""
        return {
            **self.main,
            **{f"{name}.{slug}": self.main[name] for slug in self.categories for name in self.apart},
        }

    @property
    def by_category(self) -> Sequence[str]:
        """As `FamilyNames.by_category`."""
        return [name for name in self.directions if name not in self.main]

    def fields(self, name: str) -> dict[str, str] | None:
        """As `FamilyNames.fields`."""
        if name not in self.directions:
            return None
        whole, _, category = name.partition(".")
        own = {**self.parameters.get("", {}), **self.parameters.get(whole, {})}
        return {**own, "category": category} if category else own

    def with_categories(self, values: Mapping[str, float], prompt: PromptResponses) -> dict[str, float]:
        """A prompt's values, and once more those that count for its categories."""
        slugs = [slug for slug in map(category_slug, prompt.categories) if slug in self.categories]
        return {**values, **{f"{name}.{slug}": values[name] for slug in slugs for name in self.apart}}


def category_slug(category: str) -> str:
    """A category as it stands behind a metric's name: `Factual Knowledge` is `factual-knowledge`.

    Neither a dot nor an underline is in it, so `distinct.SLUG` is the name of nothing else.
    """
    return _NOT_A_WORD.sub("-", category.lower()).strip("-")


def known_categories(categories: Iterable[str]) -> tuple[str, ...]:
    """The slugs of these categories, each once; those without one are left out."""
    return tuple(dict.fromkeys(filter(None, map(category_slug, categories))))


def odd_categories(categories: Iterable[str]) -> list[str]:
    """What is to be said of categories that cannot be told apart in metrics' names; a line each."""
    by_slug: dict[str, set[str]] = {}
    for category in categories:
        by_slug.setdefault(category_slug(category), set()).add(category)
    nameless = by_slug.pop("", set())
    lines = [
        f"the categories {', '.join(map(repr, sorted(same)))} count as one ({slug})"
        for slug, same in by_slug.items()
        if len(same) > 1
    ]
    if nameless:
        shown = ", ".join(map(repr, sorted(nameless)[:3]))
        lines.append(f"no values for categories without any letter a to z or digit ({shown})")
    return lines
