"""The response browser: by keyboard, by address, and with texts that are almost the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from diversity_eval.report.document import document
from diversity_eval.report.page import write_page
from tests.report.comparisons import comparison
from tests.report.page.conftest import Opened
from tests.report.page.sample import large_document, large_responses, response_set

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Opened]


def near(page: Page) -> None:
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side").first).to_be_visible()


def test_arrow_keys_go_through_the_prompts_and_tab_leaves_them(report: Path, visit: Visit) -> None:
    page = visit(report).page
    near(page)
    page.get_by_label("Order").select_option("place")
    page.locator("#prompts li button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#reading h3")).to_have_text("Prompt 2")
    expect(page.locator('#prompts [aria-current="true"]')).to_contain_text("prompt 2")
    expect(page.locator("#read")).to_have_text("Prompt 2, 2 runs side by side")
    page.keyboard.press("End")
    expect(page.locator("#reading h3")).to_have_text("Prompt 29")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#reading h3")).to_have_text("Prompt 29")
    page.keyboard.press("Home")
    expect(page.locator("#reading h3")).to_have_text("Prompt 0")
    expect(page.locator("#prompts li button[tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#prompts') === null")


def test_the_focus_stays_when_another_task_is_chosen(report: Path, visit: Visit) -> None:
    page = visit(report).page
    near(page)
    page.get_by_label("Task", exact=True).focus()
    page.get_by_label("Task", exact=True).select_option(label="NoveltyBench")
    expect(page.locator("#prompts li")).to_have_count(20)
    expect(page.get_by_label("Task", exact=True)).to_be_focused()


def test_the_address_names_what_was_chosen_and_not_what_was_passed(report: Path, visit: Visit) -> None:
    page = visit(report).page
    near(page)
    assert page.evaluate("location.hash") == ""
    page.locator("#chooser fieldset").get_by_text("tiny-tofu").click()
    page.get_by_label("Order").select_option("place")
    page.locator("#prompts li button").nth(7).click()
    assert page.evaluate("location.hash") == "#responses/0/7/0,1,3"
    again = visit(report, "#responses/0/7/0,1,3").page
    expect(again.locator("#reading h3")).to_have_text("Prompt 7")
    assert again.locator(".side h4").all_text_contents() == ["tiny-base", "tiny-ce", "tiny-tofu"]
    again.evaluate("location.hash = '#responses/1/3/2,1,2'")
    expect(again.locator("#reading h3")).to_have_text("Prompt 3")
    assert again.locator(".side h4").all_text_contents() == ["tiny-ce", "tiny-gem"]
    expect(again.get_by_label("Task", exact=True)).to_have_value("1")


@pytest.mark.parametrize(
    "anchor",
    ["9/0", "0/5/", "0/5/-1", "__proto__/0", "0/5/0,1,3/<script>"],
)
def test_an_address_that_names_nothing_is_passed_over(report: Path, visit: Visit, anchor: str) -> None:
    opened = visit(report, f"#responses/{anchor}")
    near(opened.page)
    assert opened.errors == []
    assert opened.page.locator(".side h4").all_text_contents() == ["tiny-base", "tiny-ce"]


def test_runs_in_the_address_that_are_not_there_are_passed_over(report: Path, visit: Visit) -> None:
    page = visit(report, "#responses/0/5/3,77").page
    expect(page.locator("#reading h3")).to_have_text("Prompt 5")
    assert page.locator(".side h4").all_text_contents() == ["tiny-tofu"]


def test_equal_texts_and_almost_equal_ones(tmp_path: Path, visit: Visit) -> None:
    texts = ["one", "one\n", "two", "one", "One", "  "]
    path = tmp_path / "r.html"
    write_page(path, document(comparison()), responses=[response_set([[texts], [["x"]]])])
    page = visit(path).page
    near(page)
    tops = page.locator(".side").first.locator(".top").all_text_contents()
    assert tops == ["12 times", "2same as 1 but for spaces at its ends", "3", "4same as 1", "5", "6empty"]


def test_shared_words_are_marked_within_one_run_only(tmp_path: Path, visit: Visit) -> None:
    path = tmp_path / "r.html"
    first = [
        "She said: “The quiet harbour sleeps tonight”, and left.",
        "the QUIET harbour sleeps tonight; good",
    ]
    # What a response repeats of itself is not shared with another one.
    second = ["the quiet harbour sleeps tonight, the quiet harbour sleeps tonight", "a b c"]
    write_page(path, document(comparison()), responses=[response_set([[first], [second]])])
    page = visit(path).page
    near(page)
    left, right = page.locator(".side").nth(0), page.locator(".side").nth(1)
    marked = left.locator("mark").all_text_contents()
    assert marked == ["The quiet harbour sleeps tonight", "the QUIET harbour sleeps tonight"]
    expect(right.locator("mark")).to_have_count(0)


def test_a_long_text_is_cut_between_characters_and_its_rest_gets_the_focus(
    tmp_path: Path, visit: Visit
) -> None:
    text = "x" * 1999 + "\U0001f600" * 20_000
    path = tmp_path / "r.html"
    write_page(path, document(comparison()), responses=[response_set([[[text]], [["y"]]])])
    page = visit(path).page
    near(page)
    words = page.locator(".words").first
    assert words.text_content() == "x" * 1999
    page.get_by_role("button", name="Show all 41,999 characters").focus()
    page.keyboard.press("Enter")
    assert words.text_content() == text
    expect(words).to_be_focused()
    expect(page.locator(".response").first).to_contain_text("in the first 20,000 characters only")


def test_damaged_responses_are_said(tmp_path: Path, visit: Visit) -> None:
    path = tmp_path / "r.html"
    write_page(path, document(comparison()), responses=[response_set([[["a"]], [["b"]]])])
    content = path.read_text(encoding="utf-8")
    begin = content.index('id="responses-0">') + len('id="responses-0">')
    path.write_text(content[:begin] + "AAAA" + content[begin + 4 :], encoding="utf-8")
    opened = visit(path)
    opened.page.locator("#responses").scroll_into_view_if_needed()
    expect(opened.page.locator("#prompts")).to_contain_text("These responses cannot be read")
    assert opened.errors == []


def test_sixty_runs_are_usable_at_once(tmp_path: Path, visit: Visit) -> None:
    path = tmp_path / "r.html"
    written = write_page(path, large_document(), responses=[large_responses()])
    assert written.responses_inside + written.responses_beside == 60 * 229 * 10
    assert written.size < 25_000_000
    page = visit(path).page
    sorting = page.evaluate(
        """async () => {
          const button = document.querySelector('#board button[data-column="0"]');
          button.click();
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          return [performance.now(), document.querySelector('#board [aria-sort=ascending]') !== null];
        }"""
    )
    assert sorting[1]
    assert sorting[0] < 2_000  # since the page was asked for
    near(page)
    expect(page.locator("#prompts li")).to_have_count(200)
    page.get_by_role("button", name="Show more").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#prompts li")).to_have_count(229)
    expect(page.locator("#prompts li button").nth(200)).to_be_focused()
