"""How the first token is distributed over the known answers, run beside run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diversity_eval.report.figures.drawing import DOTTED, FAINT, Canvas, Figure, canvas, short, styles
from diversity_eval.report.figures.tiles import frame_tiles, tile

if TYPE_CHECKING:
    from diversity_eval.report.comparison import Comparison
    from diversity_eval.report.evaluation import EvaluatedPrompt

__all__ = ["first_token_figures"]

_Answer = tuple[str, str]
"""What kind of answer, and its text."""
_KINDS = ("right", "distractor", "rest")
_REST: _Answer = ("rest", "anything else")
_MOST_PROMPTS = 4
_MOST_BARS = 6
_TASK = "first_token_probe"
_LETTERS = 56
"""What fits below the axis in a line."""
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "---")


@dataclass(frozen=True)
class _Run:
    """A row's place and label, and its prompts with a distribution by key."""

    place: int
    label: str
    prompts: Mapping[str, EvaluatedPrompt]


def first_token_figures(comparison: Comparison) -> Iterator[Figure]:
    """One for each of the first prompts that the runs share."""
    runs = []
    for place, row in enumerate(comparison.rows):
        for each in row.evaluations if not row.members else ():
            evaluation = comparison.evaluations[each]
            known = {prompt.key: prompt for prompt in evaluation.prompts if prompt.distribution}
            if evaluation.task.startswith(_TASK) and known:
                runs.append(_Run(place, row.label, known))
                break
    if not runs:
        return
    keys = [key for key in runs[0].prompts if all(key in run.prompts for run in runs)]
    for number, key in enumerate(keys[:_MOST_PROMPTS]):
        which = f"prompt {number + 1} of {len(keys)}" if len(keys) > 1 else ""
        yield _figure(comparison, runs, key, which, f"first-token-{number}")


def _masses(distribution: Sequence[Mapping[str, Any]]) -> dict[_Answer, float]:
    """The probability of each answer; what tokens of several answers have, and all other tokens, is the
    rest."""
    own: dict[_Answer, float] = {}
    for entry in distribution:
        kind, answers, probability = entry.get("kind"), entry.get("answers"), entry.get("probability")
        if isinstance(answers, list) and isinstance(probability, int | float) and kind != "shared":
            name = "/".join(map(str, answers[:2])) + ("…" if len(answers) > 2 else "")
            own[str(kind), name] = own.get((str(kind), name), 0.0) + float(probability)
    own[_REST] = max(0.0, 1 - sum(own.values()))
    return own


def _figure(comparison: Comparison, runs: Sequence[_Run], key: str, which: str, id: str) -> Figure:
    masses = [_masses(run.prompts[key].distribution) for run in runs]
    found = dict.fromkeys(answer for own in masses for answer in own)
    answers = sorted(found, key=lambda answer: _KINDS.index(answer[0]) if answer[0] in _KINDS else 1)
    prompt = next((run.prompts[key].prompt for run in runs if run.prompts[key].prompt), "") or key
    few = len(runs) <= _MOST_BARS
    height = 3.4 if few else 1.0 + 0.27 * len(runs)
    with canvas(5.2, height) as sheet:
        (_bars if few else _tiles)(sheet, comparison, runs, masses, answers)
        rights = sum(kind == "right" for kind, _ in answers)
        sheet.axes[0].axvline(rights - 0.5, color=FAINT, linewidth=1.2, linestyle=DOTTED)
        return sheet.finish(
            id, "first_token", f"First token: {short(prompt, 60)}",
            "Left of the dotted line the right answers, then answers that are wrong, and all other tokens."
            + (f" This is {which}." if which else ""),
            f"Probabilities of the first token after “{short(prompt, 60)}” for {len(runs)} runs.",
            ("Answer", "Kind", *(run.label for run in runs)),
            [(name, kind, *(f"{own.get((kind, name), 0.0):.3f}" for own in masses))
             for kind, name in answers],
        )  # fmt: skip


def _bars(
    sheet: Canvas, comparison: Comparison, runs: Sequence[_Run],
    masses: Sequence[Mapping[_Answer, float]], answers: Sequence[_Answer],
) -> None:  # fmt: skip
    from matplotlib.patches import Patch

    (axes,) = sheet.axes
    style = styles(comparison)
    width = 0.8 / len(runs)
    handles = []
    seen: dict[str, int] = {}
    for number, (run, own) in enumerate(zip(runs, masses, strict=True)):
        colour = style[run.label].colour
        # Runs of one loss have one colour; the second and later of them are hatched.
        hatch = _HATCHES[seen.get(colour, 0)]
        seen[colour] = seen.get(colour, 0) + 1
        look: dict[str, Any] = (
            {"facecolor": "none", "edgecolor": colour, "hatch": hatch} if hatch else {"color": colour}
        )
        for x, answer in enumerate(answers):
            value = own.get(answer, 0.0)
            (bar,) = axes.bar([x - 0.4 + (number + 0.5) * width], [value], width=width * 0.92, **look)
            sheet.own(bar, run.place, f"{run.label}, {answer[1]}: {value:.3f}")
        handles.append(Patch(**look))
    _name_answers(sheet, answers)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("probability of the first token")
    sheet.legend([short(run.label, 24) for run in runs], handles)


def _tiles(
    sheet: Canvas, comparison: Comparison, runs: Sequence[_Run],
    masses: Sequence[Mapping[_Answer, float]], answers: Sequence[_Answer],
) -> None:  # fmt: skip
    (axes,) = sheet.axes
    for y, (run, own) in enumerate(zip(runs, masses, strict=True)):
        for x, answer in enumerate(answers):
            value = own.get(answer, 0.0)
            text = f"{value:.2f}".removeprefix("0")
            patch = tile(axes, x, y, text if len(answers) <= 12 else "", value, size=9)
            sheet.own(patch, run.place, f"{run.label}, {answer[1]}: {value:.3f}")
    frame_tiles(axes, len(answers), len(runs))
    axes.set_yticks(range(len(runs)), [short(run.label, 24) for run in runs])
    axes.xaxis.tick_top()
    _name_answers(sheet, answers)


def _name_answers(sheet: Canvas, answers: Sequence[_Answer]) -> None:
    (axes,) = sheet.axes
    names = ["other" if answer == _REST else short(answer[1], 12) for answer in answers]
    turned = len(names) * max(map(len, names)) > _LETTERS
    below = axes.xaxis.get_ticks_position() != "top"
    axes.set_xticks(
        range(len(names)), names, rotation=40 if turned else 0,
        ha=("right" if below else "left") if turned else "center", rotation_mode="anchor",
    )  # fmt: skip
    axes.tick_params(axis="x", length=0)
