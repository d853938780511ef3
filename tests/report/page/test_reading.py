"""What a reader does with the page, in a real browser."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from diversity_eval.report.document import document
from diversity_eval.report.page import write_page
from tests.report.comparisons import comparison
from tests.report.page.conftest import Opened

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Opened]


def column(page: Page, title: str) -> list[str]:
    """The rows' numbers in the first column with this title, as shown."""
    found: list[str] = page.evaluate(
        """(title) => {
          const heads = [...document.querySelectorAll('#board tr.metrics th')];
          const place = heads.findIndex((head) => head.textContent.includes(title));
          const rows = [...document.querySelectorAll('#board tbody tr')];
          return rows.map((row) => row.cells[place + 1].textContent);
        }""",
        title,
    )
    return found


def number(cell: str) -> float:
    """The mean at the beginning of a cell's text."""
    found = re.match(r"-?[0-9.]+", cell)
    assert found is not None
    return float(found[0])


def names(page: Page) -> list[str]:
    return page.locator("#board tbody .name").all_text_contents()


def test_it_opens_from_disk_without_an_error_or_a_request(report: Path, visit: Visit) -> None:
    opened = visit(report)
    assert opened.errors == []
    assert opened.requests == [f"file://{report}"]
    assert opened.page.title() == "Tiny & small"
    sentences = opened.page.locator("#sentences").text_content() or ""
    assert "Short Stories: tiny-tofu is the most diverse at no significant cost in quality" in sentences
    assert opened.page.locator("#warnings .note").count() == 0


def test_the_leaderboard_says_what_is_best_better_partial_and_published(report: Path, visit: Visit) -> None:
    page = visit(report).page
    rows = page.locator("#board tbody tr")
    tofu = rows.filter(has_text="tiny-tofu").first
    assert "▼" not in (tofu.text_content() or "")
    assert "▲ better" in (tofu.text_content() or "")
    assert "30 of 100 prompts" in (tofu.text_content() or "")
    expect(tofu.locator("td.best").first).to_be_visible()
    expect(rows.filter(has_text="baseline").first).to_contain_text("tiny-ce")
    published = rows.filter(has_text="paper, Table 1")
    assert published.count() >= 1
    expect(published.first).to_contain_text("from the paper, not tested")
    page.get_by_label("The paper’s figures").uncheck()
    assert rows.filter(has_text="paper, Table 1").count() == 0


def test_sorting_by_mouse_and_keyboard_with_missing_values_last(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.get_by_label("The paper’s figures").uncheck()
    page.locator("#board thead button", has_text="Self-BLEU").click()
    numbers = [number(text) for text in column(page, "Self-BLEU")]
    assert numbers == sorted(numbers)
    head = page.locator("#board tr.metrics th", has_text="Self-BLEU")
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")  # the button keeps the focus
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [number(text) for text in column(page, "Self-BLEU")] == numbers[::-1]
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "none")
    assert names(page) == ["tiny-base", "tiny-ce", "tiny-gem", "tiny-tofu"]  # as the report has them
    page.locator("#board thead button", has_text="ASR").first.click()
    assert names(page)[-1] == "tiny-base"  # it has no ASR
    page.locator("#board thead button", has_text="ASR").first.click()
    assert names(page)[-1] == "tiny-base"
    page.locator("#board thead button", has_text="Run").click()
    assert names(page) == sorted(names(page))


def test_filtering_by_text_task_and_metric(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.get_by_label("Filter by name, model, loss").fill("tofu")
    expect(page.locator("#found")).to_contain_text("4 of 19 rows")  # the run, and three tables of the paper
    assert names(page)[0] == "tiny-tofu"
    assert all("TOFU" in name for name in names(page)[1:])
    page.get_by_label("Filter by name, model, loss").fill("")
    expect(page.locator("#board tr.metrics th")).to_have_count(5)
    page.get_by_role("checkbox", name="NoveltyBench").uncheck()
    expect(page.locator("#board tr.metrics th")).to_have_count(3)
    page.get_by_label("All metrics").check()
    expect(page.locator("#board tr.metrics th", has_text="Words")).to_have_count(1)
    page.get_by_label("Intervals").uncheck()
    expect(page.locator("#board .interval")).to_have_count(0)


def test_a_number_opens_its_details_and_a_run_its_making(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.locator("#board tbody tr", has_text="tiny-tofu").first.locator("td button").first.click()
    dialog = page.locator("#details")
    expect(dialog).to_contain_text("tiny-tofu: Short Stories, Self-BLEU")
    expect(dialog).to_contain_text("tiny-ce, on 30 shared prompts")
    expect(dialog).to_contain_text("p = 0.0014 corrected, p < 0.001 uncorrected")
    expect(dialog).to_contain_text("temperature:1")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    page.get_by_role("button", name="How tiny-tofu was made").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("sample_seed")
    expect(dialog).to_contain_text("lm_eval --model hf --tasks short_stories")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).not_to_be_visible()


def test_pointing_at_a_row_dims_the_others_in_the_figures(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.locator("#board tbody tr").nth(1).hover()
    assert page.locator(".drawing .row-0.dimmed").count() > 0
    assert page.locator(".drawing .row-1.dimmed").count() == 0
    page.locator("h1").hover()
    assert page.locator(".drawing .dimmed").count() == 0


def dimmed(page: Page) -> set[int]:
    """The rows whose elements are dimmed, by place."""
    return {n for n in range(4) if page.locator(f".drawing .row-{n}.dimmed").count()}


def test_pointing_at_an_element_of_a_figure_points_out_its_run(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.locator("#figures .drawing .row-2").first.dispatch_event("pointerover", {"bubbles": True})
    assert dimmed(page) == {0, 1, 3}
    page.locator("#figures .drawing").first.dispatch_event("pointerover")
    assert dimmed(page) == set()


def test_a_button_keeps_a_run_pointed_out(report: Path, visit: Visit) -> None:
    page = visit(report).page
    button = page.locator("#pointing").get_by_role("button", name="tiny-gem")
    button.focus()
    assert dimmed(page) == {0, 1, 3}
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.locator("#board thead button", has_text="Run").focus()
    page.locator("h1").hover()
    assert dimmed(page) == {0, 1, 3}
    page.locator("#board tbody tr").nth(0).hover()
    assert dimmed(page) == {1, 2, 3}
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    page.locator("h1").click()
    page.locator("#board thead button", has_text="Run").focus()
    assert dimmed(page) == set()


def test_responses_side_by_side(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    expect(page.locator("#prompts li")).to_have_count(30)
    left = page.locator(".side").first
    expect(left.locator(".response")).to_have_count(3)
    expect(left.locator(".response").nth(0)).to_contain_text("2 times")
    expect(left.locator(".response").nth(1)).to_contain_text("same as 1")
    expect(left.locator(".response").nth(0)).to_contain_text("rating 5")
    expect(left.locator(".response").nth(2)).to_contain_text("no rating")
    assert "the old lighthouse keeper" in (left.locator("mark").first.text_content() or "")
    assert left.locator(".response").nth(2).locator("mark").count() == 0
    page.get_by_label("Mark what 4 words or more share").uncheck()
    expect(page.locator("mark")).to_have_count(0)
    boxes = page.locator("#chooser fieldset")
    boxes.get_by_text("tiny-tofu").click()
    expect(page.locator(".side")).to_have_count(3)


def test_prompts_in_the_order_of_the_largest_difference_and_found_by_text(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator("#prompts li")).to_have_count(30)
    texts = page.locator("#prompts li .faint").all_text_contents()
    sizes = [float(text.removeprefix("difference ")) for text in texts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    page.get_by_label("Order").select_option("place")
    expect(page.locator("#prompts li").first).to_contain_text("prompt 0")
    page.get_by_label("Search prompts and responses").fill("another story 17 ")
    expect(page.locator("#prompts li")).to_have_count(1)
    expect(page.locator("#reading h3")).to_have_text("Prompt 17")
    page.get_by_label("Search prompts and responses").fill("nobody wrote this")
    expect(page.locator("#reading")).to_contain_text("No prompt matches")


def test_classes_of_noveltybench_have_a_letter_and_a_colour(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.locator("#responses").scroll_into_view_if_needed()
    page.get_by_label("Task", exact=True).select_option(label="NoveltyBench")
    side = page.locator(".side").first
    expect(side.locator(".response").nth(0)).to_contain_text("class A")
    expect(side.locator(".response").nth(1)).to_contain_text("class B")
    first, second, third = (
        side.locator(".response").nth(place).evaluate("(e) => getComputedStyle(e).borderInlineStartColor")
        for place in range(3)
    )
    assert first == third != second


def test_an_address_leads_to_a_prompt_and_a_wrong_one_to_the_beginning(report: Path, visit: Visit) -> None:
    page = visit(report, "#responses/0/5").page
    expect(page.locator("#reading h3")).to_have_text("Prompt 5")
    page = visit(report, "#responses/0/99999").page
    expect(page.locator("#reading h3")).to_have_count(1)
    opened = visit(report, "#responses/<img src=x onerror=alert(1)>")
    assert opened.errors == []
    assert opened.dialogs == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_group_says_what_it_is_the_mean_of(tmp_path: Path, visit: Visit, width: int) -> None:
    rows = [
        (f"{model}-{loss}", model, loss) for model in ("Qwen3-8B", "Phi-4-14B") for loss in ("ce", "tofu")
    ]
    path = tmp_path / "r.html"
    write_page(path, document(comparison(rows, groups={"safe": ["Qwen3*", "Phi-4*"]})))
    page = visit(path, viewport={"width": width, "height": 800}).page
    group = page.locator("#board tr.group", has_text="safe").first
    expect(group).to_contain_text("group of 2")
    group.get_by_role("button", name="How").click()
    expect(page.locator("#details p")).to_have_text("The mean of Qwen3-8B-ce, Phi-4-14B-ce.")
    summaries = page.locator("#details summary").all_text_contents()
    assert summaries[0] == "Qwen3-8B-ce, short_stories"
    assert len(set(summaries)) == len(summaries)
    page.keyboard.press("Escape")
    page.locator("#controls input[type=search]").fill("safe")
    expect(page.locator("#board tbody tr")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [360, 390])
def test_on_a_phone_nothing_sticks_out(report: Path, visit: Visit, width: int) -> None:
    page = visit(report, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True).page
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    label = page.locator("#board tbody th").first.bounding_box()
    assert label is not None
    assert label["width"] < 0.5 * width  # numbers have room beside the name
    smallest = page.evaluate(
        """Math.min(...[...document.querySelectorAll('.drawing text')].filter((e) => e.textContent.trim())
             .map((e) => e.getBoundingClientRect().height))"""
    )
    assert smallest >= 8


def test_without_a_script_the_numbers_are_there(report: Path, visit: Visit, chromium: object) -> None:
    from playwright.sync_api import Browser

    assert isinstance(chromium, Browser)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{report}")
    expect(page.locator("noscript table")).to_contain_text("tiny-tofu")
    expect(page.locator(".drawing svg").first).to_be_visible()
    context.close()


def test_the_theme_can_be_chosen_and_follows_the_system(report: Path, visit: Visit) -> None:
    def paper(page: Page) -> str:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    light, dark = visit(report, color_scheme="light").page, visit(report, color_scheme="dark").page
    assert (paper(light), paper(dark)) == ("rgb(255, 255, 255)", "rgb(22, 22, 22)")
    light.get_by_role("button", name="Dark or light").click()
    assert paper(light) == paper(dark)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_whole_page(
    report: Path, visit: Visit, tmp_path: Path, width: int, scheme: str
) -> None:
    """DIVERSITY_EVAL_SCREENSHOTS names a folder to keep them in, for looking at."""
    page = visit(report, viewport={"width": width, "height": 900}, color_scheme=scheme).page
    page.locator("#responses").scroll_into_view_if_needed()
    expect(page.locator(".side")).to_have_count(2)
    folder = Path(os.environ.get("DIVERSITY_EVAL_SCREENSHOTS", tmp_path))
    path = folder / f"report-{width}-{scheme}.png"
    page.screenshot(path=path, full_page=True)
    with Image.open(path) as picture:
        assert picture.width == width
        assert picture.height > 2000  # summary, table, figures, responses
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    paper = max(colours)[1]
    assert paper == ((255, 255, 255) if scheme == "light" else (22, 22, 22))
    assert len(colours) > 100
