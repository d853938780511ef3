"""How the first token is distributed over the known answers, run beside run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diversity_eval.report.figures.drawing import Figure, canvas, short, styles

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison

__all__ = ["first_token_figures"]

_Run = tuple[int, str, Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]]]
"""A row's place and label, and its prompts with their distributions."""
_KINDS = ("right", "distractor", "rest")

_MOST_PROMPTS = 3
_MOST_RUNS = 6
_TASK = "first_token_probe"


def first_token_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each of the first prompts that the runs share."""
    runs: list[_Run] = []
    for place, row in enumerate(comparison.rows):
        for each in row.evaluations if not row.members else ():
            evaluation = comparison.evaluations[each]
            known = {p.key: (p.prompt, p.distribution) for p in evaluation.prompts if p.distribution}
            if evaluation.task.startswith(_TASK) and known:
                runs.append((place, row.label, known))
                break
    if not runs:
        return
    keys = [key for key in runs[0][2] if all(key in known for _, _, known in runs)]
    for number, key in enumerate(keys[:_MOST_PROMPTS]):
        yield _figure(comparison, runs[:_MOST_RUNS], key, f"first-token-{number}", len(runs))


def _figure(
    comparison: Comparison, runs: Sequence[_Run], key: str, id: str, total: int,
) -> Figure:  # fmt: skip
    style = styles(comparison)
    outcomes: dict[tuple[str, str], None] = {}
    masses = []
    for _, _, known in runs:
        own: dict[tuple[str, str], float] = {}
        for entry in known[key][1]:
            kind, answers, probability = entry.get("kind"), entry.get("answers"), entry.get("probability")
            if isinstance(answers, list) and isinstance(probability, int | float) and kind != "shared":
                name = "/".join(map(str, answers[:2])) + ("…" if len(answers) > 2 else "")
                own[str(kind), name] = own.get((str(kind), name), 0.0) + float(probability)
        own["rest", "anything else"] = max(0.0, 1 - sum(own.values()))
        masses.append(own)
        outcomes |= dict.fromkeys(own)
    order = sorted(
        outcomes,
        key=lambda outcome: (
            ("right", "distractor", "rest").index(outcome[0])
            if outcome[0] in ("right", "distractor", "rest")
            else 3
        ),
    )
    prompt = next((known[key][0] for _, _, known in runs if known[key][0]), "") or key
    width = 0.8 / len(runs)
    with canvas(5.2, 3.4) as sheet:
        (axes,) = sheet.axes
        for number, ((place, label, _), own) in enumerate(zip(runs, masses, strict=True)):
            look = style[label]
            for x, outcome in enumerate(order):
                value = own.get(outcome, 0.0)
                (bar,) = axes.bar(
                    [x - 0.4 + (number + 0.5) * width], [value], width=width * 0.92, color=look.colour
                )
                sheet.own(bar, place, f"{label}, {outcome[1]}: {value:.3f}")
            axes.bar([0], [0], color=look.colour, label=short(label, 22))
        axes.set_xticks(range(len(order)), [short(name, 11) for _, name in order],
        rotation=40 if len(order) > 7 else 0,
                        ha="right" if len(order) > 7 else "center")  # fmt: skip
        rights = sum(kind == "right" for kind, _ in order)
        axes.axvline(rights - 0.5, color="#5f5f5f", linewidth=1, linestyle=(0, (1.5, 2)))
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("probability of the first token")
        sheet.drawing.legend(loc="outside lower center", ncols=3)
        more = f" The first {len(runs)} of {total} runs." if total > len(runs) else ""
        return sheet.finish(
            id, "first_token", f"First token: {short(prompt, 60)}",
            f"Left of the dotted line the right answers, then answers that are wrong, and the rest.{more}",
            f"Probabilities of the first token after “{short(prompt, 60)}” for {len(runs)} runs.",
            ("Answer", "Kind", *(label for _, label, _ in runs)),
            [(name, kind, *(f"{own.get((kind, name), 0.0):.3f}" for own in masses)) for kind, name in order],
        )  # fmt: skip
