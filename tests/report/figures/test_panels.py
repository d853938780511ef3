"""What each panel shows, read off its SVG."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest

from diversity_eval.report.compare import compare_rows
from diversity_eval.report.comparison import Comparison, Row
from diversity_eval.report.evaluation import EvaluatedPrompt
from diversity_eval.report.figures import Figure, draw_figures
from diversity_eval.report.figures.bars import bar_figures
from diversity_eval.report.figures.curves import coverage_figures, length_figures
from diversity_eval.report.figures.drawing import canvas
from diversity_eval.report.figures.first_token import first_token_figures
from diversity_eval.report.figures.heat import heat_figures
from diversity_eval.report.figures.labels import name_points
from diversity_eval.report.figures.plane import plane_figures
from tests.report.comparisons import PAPER_ROWS, comparison, evaluation

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
GRID = {f"t{g:g}{b}": {"gamma": g, "beta": b} for g, b in ((2.0, 0.6), (2.0, 0.8), (3.0, 0.6))}


def titles(figure: Figure) -> dict[str, list[str]]:
    """What is said of each row, by the class of the element that says it."""
    found: dict[str, list[str]] = {}
    for element in ET.fromstring(figure.svg).iter():
        for title in element.findall(f"{SVG}title"):
            (row,) = [name for name in element.get("class", "").split() if name.startswith("row-")]
            found.setdefault(row, []).append(title.text or "")
    return found


def texts(figure: Figure) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(figure.svg).iter(f"{SVG}text")]


def references(svg: str) -> Iterator[str]:
    for element in ET.fromstring(svg).iter():
        for name, value in element.attrib.items():
            if value.startswith("url(#"):
                yield value[5:-1]
            elif name == LINK:
                yield value[1:]


def probed(count: int, loss: str | None = "tofu") -> Comparison:
    """Runs of the first-token probe over two prompts."""
    prompts = [
        EvaluatedPrompt(key, f"Ask {key}", distribution=(
            {"answers": ["heads"], "kind": "right", "probability": 0.5},
            {"answers": ["tails"], "kind": "right", "probability": 0.25},
            {"answers": ["edge"], "kind": "distractor", "probability": 0.125},
        )) for key in ("one", "two")
    ]  # fmt: skip
    rows = [Row(f"run {n}", f"m{n}", loss, {}, (), (n,)) for n in range(count)]
    runs = [
        evaluation(row.label, "first_token_probe", {"mass_right": [0.5, 0.5]}, prompts=prompts)
        for row in rows
    ]
    return compare_rows(rows, runs, resamples=200)


def test_names_cover_neither_one_another_nor_points() -> None:
    points = {f"name of point {n}": (1 + n % 3 * 0.04, 1 + n // 3 * 0.05) for n in range(7)}
    points |= {"twice there": (1.0, 1.0), "thrice there": (1.0, 1.0)}
    with canvas(5.2, 4.4) as sheet:
        (axes,) = sheet.axes
        for x, y in points.values():
            axes.plot([x], [y], marker="o", markersize=7)
        axes.margins(1.5)
        made = name_points(sheet.drawing, axes, {key: key for key in points}, points)
        sheet.drawing.draw_without_rendering()
        boxes = [text.get_window_extent() for text in made.values()]
        frame = axes.get_window_extent()
    assert set(made) == set(points)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        for point in points.values():
            assert not box.contains(*axes.transData.transform(point))


def test_a_plane_names_its_points_or_where_there_are_many_the_front() -> None:
    few = next(plane_figures(comparison(PAPER_ROWS[:6])))
    assert {label for label, _, _ in PAPER_ROWS[:6]} <= set(texts(few))
    made = comparison(PAPER_ROWS)
    many = next(plane_figures(made))
    front = {row[0] for row in many.rows if "on the front" in row[3]}
    assert front
    assert {text for text in texts(many) if text in {row.label for row in made.rows}} == front
    assert {"Base", "CE", "Focal", "GEM", "λ-PR", "TOFU"} <= set(texts(many))


def test_a_plane_says_which_row_is_the_baseline() -> None:
    (*_, plane) = [figure for figure in plane_figures(comparison()) if "Short" in figure.title]
    assert [row[0] for row in plane.rows if "baseline" in row[3]] == ["m-ce"]
    assert "Ringed" in plane.caption


@pytest.mark.parametrize("key", ["short_stories/self_bleu", "novelty_bench/distinct"])
def test_rows_without_a_number_are_left_out(key: str) -> None:
    made = comparison(PAPER_ROWS[:3])
    label = PAPER_ROWS[0][0]
    cells = {**made.cells, (label, key): replace(made.cells[label, key], mean=math.nan)}
    for figure in draw_figures(replace(made, cells=cells)):
        assert not any("nan" in text for said in titles(figure).values() for text in said)
        if figure.title.startswith(("Short Stories: quality", "NoveltyBench: Distinct")) and (
            "difference" not in figure.title and key.split("/")[1] in ("self_bleu", "distinct")
        ):
            own = figure.title.startswith("Short") == key.startswith("short")
            assert (label in [row[0] for row in figure.rows]) != own


def test_bars_have_the_line_of_each_model_s_own_baseline() -> None:
    made = comparison(PAPER_ROWS, groups={"safe": ["Qwen3*", "Phi*"]})
    (figure,) = [f for f in bar_figures(made) if f.title.endswith("Distinct")]
    lines = [
        element for element in ET.fromstring(figure.svg).iter(f"{SVG}path") if element.get("stroke-dasharray")
    ]
    assert len(lines) == 4  # three models and the group
    assert "what the rows beside them are compared with" in figure.caption
    (one,) = [f for f in bar_figures(comparison()) if f.title.endswith("Distinct")]
    assert "The dotted line is m-ce." in one.caption


def test_novelty_bars_run_from_one_to_k() -> None:
    (figure,) = [f for f in bar_figures(comparison()) if f.title.endswith("Distinct")]
    assert {"1", "4", "7", "10"} <= set(texts(figure))


def test_many_curves_stand_in_a_frame_for_each_model() -> None:
    (figure,) = coverage_figures(comparison(PAPER_ROWS))
    said = texts(figure)
    assert {"Qwen3-8B", "Phi-4-14B", "Pythia-12B"} <= set(said)
    assert said.count("TOFU") == 1  # one legend
    assert len(figure.rows) == len(PAPER_ROWS)
    alone = comparison([(f"run {n}", f"m{n}", None) for n in range(13)])
    (figure,) = coverage_figures(alone)
    assert {f"run {n}" for n in range(13)} <= set(texts(figure))


def test_curves_of_one_colour_have_strokes_of_their_own() -> None:
    (figure,) = coverage_figures(comparison([(f"t{n}", "m", "tofu") for n in range(4)]))
    dashes = {
        element.get("stroke-dasharray")
        for element in ET.fromstring(figure.svg).iter(f"{SVG}path")
        if "stroke-s5" in element.get("class", "")
    }
    assert len(dashes) == 4


def test_one_length_is_no_curve() -> None:
    assert list(length_figures(comparison())) == []


def test_a_map_s_tiles_say_their_row_and_what_was_not_run_is_hatched() -> None:
    made = comparison([(name, "m", "tofu") for name in GRID], parameters=GRID)
    figure = next(heat_figures(made))
    cell = made.cells["t20.8", "short_stories/self_bleu"]
    (said,) = titles(figure)["row-1"]
    assert said.startswith(f"t20.8 (γ = 2, β = 0.8): {cell.mean:.1f} [")
    used = list(references(figure.svg))
    assert any(name.startswith(f"{figure.id}-h") for name in used)
    for name in used:
        assert f'id="{name}"' in figure.svg


def test_focal_stands_beside_tofu_and_repeated_settings_are_told() -> None:
    rows = [*((name, "m", "tofu") for name in GRID), ("f", "m", "focal"), ("again", "m", "tofu")]
    parameters = {**GRID, "f": {"gamma": 3.0}, "again": GRID["t20.6"]}
    figure = next(heat_figures(comparison(rows, parameters=parameters)))
    assert figure.headers == ("", "Focal", "β = 0.6", "β = 0.8")
    assert figure.rows[0][1] == ""
    assert "1 more with a setting" in figure.caption


def test_runs_of_one_loss_are_told_apart_by_hatching() -> None:
    one, two = first_token_figures(probed(2))
    assert one.title == "First token: Ask one"
    assert "prompt 1 of 2" in one.caption
    assert "prompt 2 of 2" in two.caption
    assert titles(one)["row-1"] == [
        "run 1, heads: 0.500", "run 1, tails: 0.250", "run 1, edge: 0.125", "run 1, anything else: 0.125",
    ]  # fmt: skip
    for name in references(one.svg):
        assert f'id="{name}"' in one.svg
    assert f'id="{one.id}-h' in one.svg


def test_many_runs_of_the_probe_are_all_shown() -> None:
    figure = next(first_token_figures(probed(14)))
    assert set(titles(figure)) == {f"row-{n}" for n in range(14)}
    assert {f"run {n}" for n in range(14)} <= set(texts(figure))
    assert texts(figure).count(".50") == 14


def test_files_stand_alone() -> None:
    figure = next(plane_figures(comparison()))
    root = ET.fromstring(figure.standalone)
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    assert root.findtext(f"{SVG}title") == figure.title
    assert root.attrib["width"].endswith("pt")
    assert "aria-hidden" not in root.attrib
    assert figure.png.startswith(b"\x89PNG")
    assert figure.png == figure.png


def test_drawing_leaves_a_notebook_s_own_figures_alone() -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    before = mpl.get_backend(), pyplot.get_fignums(), mpl.rcParams["font.size"]
    next(plane_figures(comparison()))
    assert (mpl.get_backend(), pyplot.get_fignums(), mpl.rcParams["font.size"]) == before


def test_another_test_of_classes_has_bars_too() -> None:
    rows = [Row(name, name, None, {}, (), (place,)) for place, name in enumerate("ab")]
    values = {"distinct_exact": [3.0, 9.0]}
    made = compare_rows(rows, [evaluation(row.label, "novelty_bench", values) for row in rows], resamples=100)
    assert [f.title for f in draw_figures(made) if f.section == "novelty"] == [
        "NoveltyBench: Distinct (exact)"
    ]
