"""What tests in a browser share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.integration.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a running browser, for the tests of one file: see `browser.chromium`."""
    with chromium() as running:
        yield running
