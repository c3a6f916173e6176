"""A real Chromium that looks at a page which is really served."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.integration.logins import PASSWORD

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WIDE, PHONE = (1280, 860), (390, 844)
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A busy machine is no failure: long enough for any, and over as soon as what is waited for is so.
_PATIENCE_MS = 60_000

# The colours of a canvas, without those pixels that nothing was drawn on.
DRAWN = """canvas => {
  const {width, height} = canvas;
  const all = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const colours = new Set();
  for (let at = 0; at < all.length; at += 4) {
    if (all[at + 3]) colours.add((all[at] << 16) | (all[at + 1] << 8) | all[at + 2]);
  }
  return [...colours].map(c => "#" + c.toString(16).padStart(6, "0"));
}"""


def executable() -> str:
    """Return the path of the system's Chromium."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    pytest.fail(
        f"the page is tested in Chromium, and none of {', '.join(PROGRAMS)} is here: run "
        "`make chromium` as root, or install it with your system's packages",
        pytrace=False,
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser; nothing in the same thread may run an event loop of its own meanwhile."""
    program = executable()
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=program, args=[*_ARGUMENTS])
        except Error as error:
            pytest.fail(f"{program} does not start: {error.message}", pytrace=False)
        yield browser
        browser.close()


@contextmanager
def looking(
    browser: Browser,
    address: str,
    *,
    dark: bool = False,
    size: tuple[int, int] = WIDE,
    refused: int | None = None,
) -> Iterator[Page]:
    """Open a browser window at `address`.

    Whatever its console complains of fails the test, but for answers of the status `refused`.
    """
    context = browser.new_context(
        base_url=address,
        color_scheme="dark" if dark else "light",
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
    )
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    try:
        yield page
    finally:
        context.close()
    expected = f"the server responded with a status of {refused}"
    left = [said for said in complaints if expected not in said]
    assert left == [], left


def log_in(page: Page, name: str, password: str = PASSWORD, *, path: str = "/") -> None:
    """Go to a page through the login, as an operator does."""
    page.goto(path)
    page.get_by_label("Login").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def has_room(page: Page) -> bool:
    """Return whether the page fits its window's width, so that nobody scrolls sideways."""
    fits: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return fits


def picture(page: Page, file: Path, *, whole: bool = False) -> None:
    """Keep what the page looks like."""
    page.screenshot(path=file, full_page=whole, animations="disabled")
