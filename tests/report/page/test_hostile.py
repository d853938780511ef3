"""Text that tries to be more than text: nothing runs, nothing is fetched, and it is shown as it is."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from diversity_eval.report import compare, load_runs
from diversity_eval.report.document import document, response_sets
from diversity_eval.report.figures import draw_figures
from diversity_eval.report.page import write_page
from tests.report.page.conftest import Opened
from tests.report.page.hostile import HOSTILE, as_shown
from tests.report.runs import write_run

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Opened]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each text as a response, as a prompt, and the shorter ones as a checkpoint's name."""
    folder = tmp_path_factory.mktemp("hostile")
    texts = list(HOSTILE.values())
    for number in range(2):
        run = folder / str(number)
        write_run(run, f"run-{number}", {"self_bleu": [float(i + number) for i in range(len(texts))]},
                  responses=[[text, "plain"] for text in texts])  # fmt: skip
        log = next(run.glob("samples_*"))
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        for row, text in zip(rows, texts, strict=True):
            row["doc"]["prompt"] = text
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {}
    short = [text for text in texts if 0 < len(text.strip()) < 200]
    for number, text in enumerate(short):
        run = folder / f"named-{number}"
        write_run(run, f"m{number}", {"self_bleu": [1.0, 2.0 + number], "quality": [4.0, 5.0]})
        names[str(run)] = text
    warnings = [f"left out: {text}" for text in short]
    comparison = compare(load_runs([folder], names=names))
    path = folder / "report.html"
    content = document(comparison, title=HOSTILE["script closing title and textarea"])
    content["warnings"] += warnings
    content["evaluations"][0]["provenance"]["command"] = HOSTILE["image with onerror"]
    write_page(path, content, figures=draw_figures(comparison), responses=response_sets(comparison))
    return path


def check(opened: Opened, path: Path) -> None:
    assert opened.page.evaluate("window.__pwned") is None
    assert opened.page.evaluate("({}).polluted") is None
    assert opened.dialogs == []
    assert opened.requests == [f"file://{path}"]
    assert opened.page.url.startswith(f"file://{path}")
    foreign = opened.page.evaluate(
        """[...document.querySelectorAll('script[src],iframe,object,embed,img,link,base,form,meta[http-equiv=refresh]')].length"""
    )
    assert foreign == 0


def test_there_are_forty_and_more() -> None:
    assert len(HOSTILE) >= 40
    assert len(set(HOSTILE.values())) == len(HOSTILE)
    assert max(map(len, HOSTILE.values())) > 2**20


def test_nothing_runs_when_it_is_opened(hostile: Path, visit: Visit) -> None:
    opened = visit(hostile)
    assert opened.errors == []
    check(opened, hostile)
    assert opened.page.title() == HOSTILE["script closing title and textarea"]
    # Nothing that a run brought lies over the page.
    box = opened.page.locator("h1").bounding_box()
    assert box is not None
    top = opened.page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).tagName", [box["x"] + 5, box["y"] + 5]
    )
    assert top == "H1"
    short = [text for text in HOSTILE.values() if 0 < len(text.strip()) < 200]
    expect(opened.page.locator("#board tbody tr")).to_have_count(2 + len(short))
    labels = opened.page.locator("#board .name").all_text_contents()
    assert sorted(labels) == sorted(["run-0", "run-1", *map(as_shown, short)])
    warnings = opened.page.locator("#warnings .note").all_text_contents()
    assert warnings[-len(short):] == [as_shown(f"left out: {text}") for text in short]  # fmt: skip


def test_every_response_and_prompt_is_shown_as_it_is(hostile: Path, visit: Visit) -> None:
    opened = visit(hostile)
    page = opened.page
    page.locator("#responses").scroll_into_view_if_needed()
    page.get_by_label("Order").select_option("place")
    expect(page.locator("#prompts li")).to_have_count(len(HOSTILE))
    for place, (name, text) in enumerate(HOSTILE.items()):
        page.locator("#prompts li button").nth(place).click()
        expect(page.locator("#reading h3")).to_have_text(f"Prompt {place}")
        if text.strip():
            shown = page.locator(".asked").text_content() or ""
            assert shown == as_shown(text), name
        response = page.locator(".side").first.locator(".response").first
        more = response.locator("button", has_text="Show all")
        if len(text) > 2000:
            assert f"{len(text):,}" in (more.text_content() or "")
            more.click()
        shown = response.locator(".words").text_content() or ""
        assert shown == as_shown(text), name
        inside = response.evaluate("(e) => [...e.querySelectorAll('.words *')].map((c) => c.tagName)")
        assert set(inside) <= {"SPAN", "MARK"}, name
        outside = response.evaluate(
            "(e) => e.getBoundingClientRect().right > document.documentElement.clientWidth"
        )
        assert not outside, name
        check(opened, hostile)
    assert opened.errors == []


def test_characters_that_turn_text_are_named_and_turn_nothing(hostile: Path, visit: Visit) -> None:
    page = visit(hostile).page
    page.locator("#responses").scroll_into_view_if_needed()
    page.get_by_label("Order").select_option("place")
    page.locator("#prompts li button").nth(list(HOSTILE).index("right-to-left override")).click()
    marks = page.locator(".side").first.locator(".response").first.locator(".control").all_text_contents()
    assert marks == ["RLO", "PDF"]


def test_dialogs_and_details_are_text_too(hostile: Path, visit: Visit) -> None:
    opened = visit(hostile)
    page = opened.page
    for place in range(0, page.locator("#board tbody tr").count(), 5):
        page.locator("#board tbody .about button").nth(place).click()
        page.get_by_role("button", name="Close").click()
        page.locator("#board tbody tr").nth(place).locator("td button").first.click()
        page.get_by_role("button", name="Close").click()
    for summary in page.locator("#figures summary").all():
        summary.click()
    check(opened, hostile)
    assert opened.errors == []


def test_the_file_holds_no_foreign_markup(hostile: Path) -> None:
    content = hostile.read_text(encoding="utf-8")
    assert "evil.invalid" not in re.sub(r"&[a-z]+;|&#x?[0-9a-f]+;", "", content.replace("\\", "")) or (
        # Names stand escaped in the table for readers without a script, and in the figures.
        not re.search(r"<(script|img|link|iframe|base|meta)[^>]*evil\.invalid", content)
    )
    assert len(re.findall(r"<script", content)) == len(re.findall(r"</script>", content))
