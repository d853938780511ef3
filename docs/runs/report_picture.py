"""Take the pictures of a report: its beginning on a screen, and on a phone.

python docs/runs/report_picture.py REPORT.html IMAGE.png [--phone IMAGE.png] [--responses IMAGE.png]
"""

import argparse
import os
from pathlib import Path

from playwright.sync_api import sync_playwright


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--phone", type=Path)
    parser.add_argument("--responses", type=Path)
    arguments = parser.parse_args()
    address = arguments.report.resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("DIVERSITY_EVAL_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox"],
        )
        page = browser.new_page(viewport={"width": 960, "height": 880})
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.screenshot(path=arguments.image)
        if arguments.responses:
            page.locator("#responses").scroll_into_view_if_needed()
            page.wait_for_selector(".side")
            page.locator("#responses").screenshot(path=arguments.responses)
        if arguments.phone:
            phone = browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
            phone.goto(address)
            phone.wait_for_selector("html[data-ready]")
            phone.locator("#board").scroll_into_view_if_needed()
            phone.screenshot(path=arguments.phone)
        browser.close()


if __name__ == "__main__":
    main()
