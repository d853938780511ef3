"""How much focal, lambda-PR and TOFU let a token count, by the probability of its label: one figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diversity_eval.errors import DiversityEvalError

__all__ = ["draw_weights", "weight_figure"]

# Okabe and Ito's colours, which stay apart for the colour-blind; without colours, line styles do.
_STYLES: tuple[tuple[str, Any], ...] = (
    ("#0072B2", "-"),
    ("#D55E00", (0, (7, 2))),
    ("#009E73", (0, (4, 1.5, 1, 1.5))),
    ("#CC79A7", (0, (1.5, 1.5))),
)
_INK, _FAINT = "#222222", "#777777"
_LENGTH = 100
_ALPHAS = (("10⁻⁵", 1e-5), ("10⁻³", 1e-3), ("10⁻²", 1e-2), ("0.1", 0.1))
_FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class _Panel:
    loss: str
    title: str
    note: str
    curves: tuple[tuple[str, dict[str, float]], ...]
    first_style: int = 0
    log_axis: bool = False


_PANELS = (
    _Panel(
        "focal",
        "Focal",
        "gradient: g(p̂) (p − onehot)",
        tuple((f"γ = {gamma}", {"gamma": gamma}) for gamma in (1, 2, 3, 5)),
    ),
    _Panel(
        "pr",
        "λ-PR, λ = 0.1",
        f"gradient: w(p̂) (p − onehot)\nfirst of {_LENGTH} tokens; the last\ncounts 0.1 times as much",
        tuple(
            (f"α = {text}", {"lam": 0.1, "alpha": alpha, "position": 1, "length": _LENGTH})
            for text, alpha in _ALPHAS
        ),
        log_axis=True,
    ),
    _Panel(
        "tofu",
        "TOFU",
        "gradient: g(p̂) (pᵝ − onehot)\nFocal's g at the same γ, but on\npᵝ = softmax(z / β), not on p",
        (("γ = 3", {"gamma": 3}),),
        first_style=2,  # as Focal's curve for that gamma
    ),
)


def draw_weights(path: Path) -> None:
    """Write `weight_figure` to a .png, .svg or .pdf file.

    Raises DiversityEvalError if the file cannot be written, or if matplotlib or torch is missing.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise DiversityEvalError(f"{path}: expected a file name that ends in {', '.join(_FORMATS)}")
    figure = weight_figure()
    try:
        figure.savefig(path)
    except OSError as error:
        raise DiversityEvalError(
            f"{path}: cannot be written ({error.strerror or error}); give a file in a folder that exists"
        ) from None


def weight_figure() -> Any:
    """A matplotlib figure: `gradient_scaling` of focal, lambda-PR and TOFU over the label's probability.

    Probabilities of lambda-PR are on a logarithmic axis, since with its default alpha only those below 0.001
    count at all; a response's length moves that threshold.

    Raises DiversityEvalError if matplotlib or torch is missing.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise DiversityEvalError(
            f"the figure needs matplotlib ({error}): pip install 'diversity-eval[report]'"
        ) from None
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(12.5, 4.6), dpi=150, facecolor="white", layout=layout)
    for axes, panel in zip(figure.subplots(1, len(_PANELS), sharey=True), _PANELS, strict=True):
        _draw(axes, panel)
    figure.suptitle(
        "How much a token's gradient counts, by the probability p̂ of its label (cross entropy: 1 everywhere)",
        x=0.01, ha="left", fontsize=12.5, fontweight="bold", color=_INK,
    )  # fmt: skip
    return figure


def _draw(axes: Any, panel: _Panel) -> None:
    import numpy as np

    p = np.logspace(-8, 0, 2401) if panel.log_axis else np.linspace(0.0, 1.0, 1001)
    axes.axhline(1.0, color="#BBBBBB", linewidth=1.0, zorder=1)
    styles = _STYLES[panel.first_style : panel.first_style + len(panel.curves)]
    for (label, parameters), (colour, style) in zip(panel.curves, styles, strict=True):
        heights = _scaling(panel.loss, p, parameters)
        axes.plot(p, heights, color=colour, linestyle=style, linewidth=2.0, label=label)
    if panel.log_axis:
        axes.set_xscale("log")
    axes.set_xlim(p[0], p[-1])
    axes.set_ylim(0, 1.95)
    axes.set_xlabel("p̂, logarithmic" if panel.log_axis else "p̂", fontsize=11, color=_INK)
    if panel is _PANELS[0]:
        axes.set_ylabel("gradient scaling", fontsize=11, color=_INK)
    axes.set_title(panel.title, loc="left", fontsize=12, color=_INK)
    axes.text(0.03, 0.97, panel.note, transform=axes.transAxes, va="top", fontsize=9.5, color=_FAINT)
    axes.legend(loc="upper right", frameon=False, fontsize=10, handlelength=2.8, labelcolor=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#BBBBBB")
    axes.tick_params(length=0, labelcolor=_INK)
    axes.grid(color="#EEEEEE", linewidth=0.8)
    axes.set_axisbelow(True)


def _scaling(loss: str, probabilities: Any, parameters: dict[str, float]) -> list[float]:
    try:
        import torch
    except ImportError as error:
        raise DiversityEvalError(
            f"the figure needs torch ({error}): pip install 'diversity-eval[train]'"
        ) from None
    from diversity_eval.training.losses import gradient_scaling

    # log 0 is out of the losses' range; a probability of 1e-300 is as good
    log_p = torch.tensor(probabilities, dtype=torch.float64).clamp_min(1e-300).log()
    found: list[float] = gradient_scaling(loss, log_p, **parameters).tolist()
    return found
