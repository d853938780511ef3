"""axe-core finds nothing to complain of, in both schemes and in every view."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.report.page.conftest import Opened

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Opened]


def violations(page: Page) -> list[str]:
    found: dict[str, Any] = Axe().run(page).response
    assert found["passes"]  # it did look
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_view(report: Path, visit: Visit, scheme: str, width: int) -> None:
    page = visit(report, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True).page
    page.get_by_label("All metrics").check()
    for summary in page.locator("#figures summary").all():
        summary.click()
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    assert violations(page) == []
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="How tiny-tofu was made").click()
    assert violations(page) == []
    page.get_by_role("button", name="Close").click()
    page.locator("#board tbody tr").nth(1).locator("td button").first.click()
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_pointed_out_and_nothing_found(report: Path, visit: Visit, scheme: str) -> None:
    page = visit(report, color_scheme=scheme, bypass_csp=True).page
    page.locator("#pointing button").first.click()
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    page.get_by_label("Search prompts and responses").fill("nobody wrote this")
    expect(page.locator("#read")).to_have_text("No prompt matches.")
    page.get_by_label("Filter by name, model, loss").fill("nobody is called this")
    expect(page.locator("#found")).to_contain_text("0 of 19 rows")
    assert violations(page) == []


def test_it_would_complain(report: Path, visit: Visit) -> None:
    page = visit(report, bypass_csp=True).page
    page.evaluate("document.querySelector('#controls label').remove()")
    assert any(found.startswith("label") for found in violations(page))
