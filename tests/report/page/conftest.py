import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request, sync_playwright

from diversity_eval.report import compare, load_runs
from diversity_eval.report.document import document, response_sets
from diversity_eval.report.figures import draw_figures
from diversity_eval.report.page import write_page
from tests.report.runs import write_run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A page in the browser, and what went wrong in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def note_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(
        filter(None, map(shutil.which, (os.environ.get("DIVERSITY_EVAL_CHROMIUM", ""), *NAMES))), None
    )
    if path is None:
        reason = "no Chromium; scripts/install_browser.sh installs one"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens a file from disk, as a reader does; options are those of a browser context."""
    contexts = []

    def opened(path: Path, anchor: str = "", **options: Any) -> Opened:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("pageerror", found.note_error)
        found.page.on("console", found.note_message)
        found.page.on("request", found.note_request)
        found.page.on("dialog", found.dismiss)
        found.page.set_default_timeout(8_000)
        found.page.goto(f"file://{path}{anchor}")
        found.page.wait_for_selector("html[data-ready]")
        return found

    yield opened
    for context in contexts:
        context.close()


STORY = "the old lighthouse keeper counted every ship that passed before dawn"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over four made-up checkpoints: stories with quality, NoveltyBench, attacks."""
    folder = tmp_path_factory.mktemp("report")
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 3, 30)
    for number, (name, bleu, quality) in enumerate(
        [("tiny-base", 11.0, 3.2), ("tiny-ce", 24.0, 4.5), ("tiny-gem", 18.0, 4.4), ("tiny-tofu", 12.0, 4.45)]
    ):
        values = {
            "self_bleu": (bleu + hard + generator.normal(0, 2, 30)).tolist(),
            "quality": np.clip(quality + generator.normal(0, 0.2, 30), 0, 5).tolist(),
            "mean_words": [50.0 + number] * 30,
        }
        responses = [
            [
                f"{STORY}, said {name}",
                f"{STORY}, said {name}",
                f"quite another story {i} from number {number}",
            ]
            for i in range(30)
        ]
        run = folder / name
        write_run(run, f"org/{name}", values, responses=responses, available=100,
                  notes={"ratings": [[5, 4, None]] * 30}, counts={"quality_unscored": 30})  # fmt: skip
        distinct = {"distinct": generator.integers(1, 4, 20).astype(float).tolist(),
                    "utility": generator.uniform(1, 9, 20).tolist()}  # fmt: skip
        write_run(run, f"org/{name}", distinct, task="novelty_bench", time="2026-11-26T11-00-00.000001",
                  responses=[["red", "blue", "red"]] * 20, notes={"partition": [[0, 1, 0]] * 20})  # fmt: skip
        if name != "tiny-base":
            write_run(run, f"org/{name}", {"asr": generator.random(25).tolist()}, task="harmbench",
                      time="2026-11-26T12-00-00.000001")  # fmt: skip
    comparison = compare(load_runs([folder]), published=["alpaca:Llama-3.1-8B"])
    path = folder / "report.html"
    write_page(path, document(comparison, title="Tiny & small"), figures=draw_figures(comparison),
               responses=response_sets(comparison))  # fmt: skip
    return path
