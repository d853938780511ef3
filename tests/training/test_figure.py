"""`draw_weights`: curves, files, and what can go wrong."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diversity_eval.errors import DiversityEvalError
from diversity_eval.training.figure import draw_weights, weight_figure


def curves(axes: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Label to probabilities and heights of the lines that have a label."""
    return {
        line.get_label(): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }


def g(p: np.ndarray, gamma: int) -> np.ndarray:
    inside = p[(p > 0) & (p < 1)]
    found = (1 - inside) ** gamma - gamma * inside * (1 - inside) ** (gamma - 1) * np.log(inside)
    return np.asarray(np.concatenate([[1.0] * int((p == 0).sum()), found, [0.0] * int((p == 1).sum())]))


def w(p: np.ndarray, alpha: float) -> np.ndarray:
    t = 0.1 ** (1 / 100)
    delta = alpha * t / (1 - (1 - alpha) * t)
    return np.asarray((p <= delta) * p / (alpha + (1 - alpha) * p))


def test_curves_are_the_losses_scalings() -> None:
    focal, pr, tofu = (curves(axes) for axes in weight_figure().axes)
    assert list(focal) == ["γ = 1", "γ = 2", "γ = 3", "γ = 5"]
    for label, (p, heights) in focal.items():
        assert (p[0], p[-1]) == (0, 1)
        np.testing.assert_allclose(heights, g(p, int(label[-1])), atol=1e-12)
    assert list(tofu) == ["γ = 3"]
    np.testing.assert_array_equal(tofu["γ = 3"], focal["γ = 3"])
    assert list(pr) == ["α = 10⁻⁵", "α = 10⁻³", "α = 10⁻²", "α = 0.1"]
    for (p, heights), alpha in zip(pr.values(), (1e-5, 1e-3, 1e-2, 0.1), strict=True):
        assert p[0] < alpha / 100
        np.testing.assert_allclose(heights, w(p, alpha), atol=1e-12)


def test_labels_fit() -> None:
    for axes in weight_figure().axes:
        assert axes.get_xlabel().startswith("p̂")
        top = max(heights.max() for _, heights in curves(axes).values())
        assert axes.get_ylim()[1] > top
        assert axes.get_legend() is not None
    assert [axes.get_xscale() for axes in weight_figure().axes] == ["linear", "log", "linear"]


@pytest.mark.parametrize(
    ("name", "start"),
    [("w.png", b"\x89PNG\r\n"), ("w.svg", b"<?xml"), ("W.PNG", b"\x89PNG"), ("w.pdf", b"%PDF")],
)
def test_the_file_is_of_the_kind_of_its_name(tmp_path: Path, name: str, start: bytes) -> None:
    draw_weights(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["w.txt", "w", "w.png.gz"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DiversityEvalError, match=r"expected a file name that ends in \.png, \.svg, \.pdf"):
        draw_weights(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["missing/w.png", "file/w.svg", "folder.png"])
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DiversityEvalError) as caught:
        draw_weights(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: cannot be written (")
    assert "\n" not in message


@pytest.mark.parametrize(("module", "extra"), [("matplotlib.figure", "report"), ("torch", "train")])
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DiversityEvalError, match=rf"pip install 'diversity-eval\[{extra}\]'"):
        draw_weights(tmp_path / "w.png")
