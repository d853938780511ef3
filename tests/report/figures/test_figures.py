import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from diversity_eval.report.comparison import Comparison
from diversity_eval.report.figures import Figure, draw_figures, save_figures
from diversity_eval.report.figures.drawing import short, styles
from tests.report.comparisons import PAPER_ROWS, comparison, evaluation
from tests.report.page.hostile import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
GRID = {f"t{g}{b}": {"gamma": g, "beta": b} for g in (2.0, 3.0) for b in (0.6, 0.8)}


@pytest.fixture(scope="module")
def made() -> Comparison:
    return comparison(PAPER_ROWS, groups={"safe": ["Qwen3*", "Phi*"]})


@pytest.fixture(scope="module")
def figures(made: Comparison) -> list[Figure]:
    return draw_figures(made)


def test_every_panel_that_has_numbers_and_no_other(figures: list[Figure]) -> None:
    sections = [figure.section for figure in figures]
    assert set(sections) == {"plane", "novelty", "accuracy", "safety", "coverage", "difference"}
    assert sections.count("plane") == 3  # stories, NoveltyBench, MATH-500
    assert draw_figures(comparison(PAPER_ROWS[:1])) == [] or all(
        figure.section == "coverage" for figure in draw_figures(comparison(PAPER_ROWS[:1]))
    )


def test_the_ablation_is_a_map_with_every_setting(made: Comparison) -> None:
    rows = [(name, "m", "tofu") for name in GRID]
    heat = [f for f in draw_figures(comparison(rows, parameters=GRID)) if f.section == "ablation"]
    assert {figure.title.partition(":")[0] for figure in heat} >= {"ARC Challenge", "NoveltyBench"}
    arc = next(figure for figure in heat if figure.title.startswith("ARC"))
    assert arc.headers == ("", "β = 0.6", "β = 0.8")
    assert [row[0] for row in arc.rows] == ["γ = 2", "γ = 3"]
    cell = comparison(rows, parameters=GRID).cells["t2.00.8", "arc_challenge_label/accuracy"]
    assert arc.rows[0][2] == f"{cell.mean:.3f}"
    assert not [f for f in draw_figures(made) if f.section == "ablation"]


def test_lengths_and_first_tokens() -> None:
    from diversity_eval.report.compare import compare_rows
    from diversity_eval.report.comparison import Row
    from diversity_eval.report.evaluation import EvaluatedPrompt

    probe = [
        EvaluatedPrompt("coin", "Flip a coin", distribution=(
            {"answers": ["heads"], "kind": "right", "probability": 0.5},
            {"answers": ["edge"], "kind": "distractor", "probability": 0.1},
            {"answers": ["x"], "kind": "shared", "probability": 0.2},
        ))
    ]  # fmt: skip
    found = draw_figures(
        compare_rows(
            [Row("a", "a", None, {}, (), (0, 1, 2))],
            [
                evaluation("a", "short_stories", {"self_bleu": [10.0, 12.0]}),
                evaluation(
                    "a", "short_stories_512", {"self_bleu": [20.0, 22.0]}, signature={"max_new_tokens": "512"}
                ),
                evaluation("a", "first_token_probe", {"mass_right": [0.5]}, prompts=probe),
            ],
        )
    )
    by_section = {figure.section: figure for figure in found}
    assert by_section["length"].headers == ("Run", "64", "512")
    assert by_section["length"].rows[0][0] == "a"
    assert by_section["length"].rows[0][2].startswith("21.0")
    first = by_section["first_token"]
    assert first.title == "First token: Flip a coin"
    assert first.rows == (
        ("heads", "right", "0.500"),
        ("edge", "distractor", "0.100"),
        ("anything else", "rest", "0.400"),
    )


def test_svg_has_no_style_no_script_and_ids_of_its_own(figures: list[Figure]) -> None:
    ids: list[str] = []
    for figure in figures:
        root = ET.fromstring(figure.svg)
        for element in root.iter():
            assert element.tag.removeprefix(SVG) not in (
                "style",
                "script",
                "foreignObject",
                "image",
                "metadata",
            )
            assert not {name for name in element.attrib if name == "style" or name.startswith("on")}
            if "id" in element.attrib:
                ids.append(element.attrib["id"])
            for value in element.attrib.values():
                if value.startswith(("url(#", "#")) and not re.fullmatch("#[0-9a-f]{6}", value):
                    assert f'id="{value.strip("url(#)")}"' in figure.svg
    assert len(ids) == len(set(ids))


def test_rows_are_found_by_their_class_and_numbers_by_their_title(
    made: Comparison, figures: list[Figure]
) -> None:
    plane = figures[0]
    root = ET.fromstring(plane.svg)
    for place, row in enumerate(made.rows):
        cell = made.cell(row.label, "short_stories/self_bleu")
        assert cell is not None
        own = [element for element in root.iter() if f"row-{place}" in (element.get("class") or "").split()]
        titles = [title.text or "" for element in own for title in element.findall(f"{SVG}title")]
        assert any(text.startswith(f"{row.label}: Self-BLEU {cell.mean:.1f} [") for text in titles)


def test_equal_input_gives_equal_bytes(made: Comparison, figures: list[Figure]) -> None:
    assert [figure.svg for figure in draw_figures(made)] == [figure.svg for figure in figures]


def test_hostile_names_are_text(tmp_path: Path) -> None:
    names = [text for text in HOSTILE.values() if text.strip()][:40]
    rows = [(name, name, "ce" if place == 0 else None) for place, name in enumerate(names)]
    found = draw_figures(comparison(rows, n=8))
    assert found
    for figure in found:
        root = ET.fromstring(figure.svg)
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            "svg", "g", "path", "use", "defs", "clipPath", "rect", "text", "tspan", "title", "pattern"
        }  # fmt: skip
    save_figures(found, tmp_path, ["png", "svg"])
    assert (tmp_path / f"{found[0].id}.png").read_bytes().startswith(b"\x89PNG")
    assert ET.fromstring((tmp_path / f"{found[0].id}.svg").read_bytes()).tag == f"{SVG}svg"


def test_dollars_are_no_mathematics() -> None:
    made = comparison([("a $x_1$", "m", "ce"), ("$$broken$", "m", "tofu")])
    assert "a $x_1$" in draw_figures(made)[0].svg


def test_labels_are_shortened_and_cleaned() -> None:
    assert short("a\nb\u202ec\x00d") == "a bcd"
    assert short("x" * 100, 10) == "x" * 9 + "…"
    assert short("") == ""


def test_losses_look_the_same_everywhere(made: Comparison) -> None:
    style = styles(made)
    assert style["Qwen3-8B-tofu"] == style["Phi-4-14B-tofu"] == style["safe, tofu (mean of 2)"]
    looks = [style[f"Qwen3-8B-{loss}"] for loss in ("base", "ce", "focal", "gem", "pr", "tofu")]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == 6


def test_without_matplotlib_there_is_one_clear_error(
    made: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from diversity_eval.errors import DiversityEvalError

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DiversityEvalError, match=r"pip install 'diversity-eval\[report\]'"):
        draw_figures(made)


def test_nothing_to_draw_draws_nothing(made: Comparison) -> None:
    assert draw_figures(replace(made, cells={})) == []
