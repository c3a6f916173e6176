"""How long the server takes for its pages and for what a chart asks, on SQLite.

Ten million readings and as many scores each time: of 10,000 tanks over three and a half days for
the pages of the fleet, and of 1,000 tanks over five weeks for the chart of a tank.  The median of
15 answers, whole, to a client on the same machine.  Beside it stands what people put up with: a
tenth of a second feels at once, a second does not interrupt them (Nielsen, Usability Engineering,
1993).  Then Chromium shows the chart of a tank: how long from a key that moves or zooms it to the
frame that shows it, and how long until readings that it had to ask for are drawn.
"""

import http.client
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import view_store
from bench_http import serving
from playwright.sync_api import sync_playwright
from results import record

from tankwatch.store.engine import connect
from tankwatch.store.migrate import upgrade

READINGS, ANSWERS = 10_000_000, 15
AT_ONCE_MS, UNBROKEN_MS = 100.0, 1000.0
TANK = "site-00/TK-00000"
FLEET = {
    "all tanks": "/",
    "a site": "/?site=site-03",
    "the alarm list": "/alarms",
    "health": "/health",
    "quality": "/quality",
}
# A chart asks for three times what it shows, in three times as many buckets as it has pixels.
CHART = {"a day": 3, "a week": 21, "all five weeks": 35}

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
KEYS = ["ArrowLeft", "ArrowLeft", "+", "ArrowRight", "-", "ArrowLeft", "ArrowRight", "+", "-"] * 4
# A frame shows what was drawn before it began, so the one after the next has been shown by then.
PRESS = """async (keys) => {
  const chart = document.getElementById("chart"), frames = [], answers = [];
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (const key of keys) {
    const before = chart.dataset.requests, began = performance.now();
    const spent = () => performance.now() - began;
    chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await frame();
    await frame();
    frames.push(spent());
    const isSame = () => chart.dataset.requests === before;
    while (chart.hasAttribute("aria-busy") || (isSame() && spent() < 200)) await frame();
    if (!isSame()) answers.push(spent());
  }
  return [frames, answers];
}"""


def filled(folder: Path, steps: int) -> str:
    """Return the URL of a database with `READINGS`, `steps` of each tank."""
    url = f"sqlite:///{folder}/{steps}.db"
    view_store.STEPS = steps
    view_store.START_MS = view_store.END_MS - steps * view_store.STEP_MS
    engine = connect(url)
    upgrade(engine)
    view_store.fill(engine, READINGS)
    engine.dispose()
    return url


def asked(port: int, path: str) -> float:
    """Return how long an answer takes in the median, in milliseconds."""
    line = http.client.HTTPConnection("127.0.0.1", port)
    spent = []
    for _ in range(ANSWERS):
        began = time.perf_counter()
        line.request("GET", path, headers={"Accept": "*/*"})
        answer = line.getresponse()
        body = answer.read()
        spent.append(time.perf_counter() - began)
        assert answer.status == 200, (path, answer.status, body[:300])
    line.close()
    return float(np.median(spent)) * 1000


def main() -> None:
    """Measure, print and record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(filled(folder, 1000), folder) as port:
            for what, path in FLEET.items():
                told(f"page of {what}, 10,000 tanks", asked(port, path), UNBROKEN_MS)
        with serving(filled(folder, 10_000), folder) as port:
            told("page of a tank", asked(port, f"/tanks/{TANK}"), UNBROKEN_MS)
            for what, days in CHART.items():
                first = view_store.END_MS - days * view_store.DAY_MS
                span = f"from={first}&to={view_store.END_MS}&points=3600"
                spent = asked(port, f"/api/v1/tanks/{TANK}/series?{span}")
                told(f"chart of a tank, {what} shown", spent, AT_ONCE_MS)
            for what, hours in (("a day", 24), ("all five weeks", 35 * 24)):
                frames, answers = pressed(port, f"/tanks/{TANK}?hours={hours}")
                chart = f"chart of a tank in Chromium, {what}"
                told(f"{chart}: from a key to its frame, median", np.median(frames), AT_ONCE_MS)
                told(f"{chart}: the slowest of {len(frames)}", max(frames), AT_ONCE_MS)
                if answers:
                    told(f"{chart}: until what it asked for is drawn", max(answers), UNBROKEN_MS)


def pressed(port: int, path: str) -> tuple[list[float], list[float]]:
    """Return the milliseconds from each key to its frame, and to data that it had to ask for."""
    program = next(found for name in BROWSERS if (found := shutil.which(name)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(f"http://127.0.0.1:{port}{path}")
        page.wait_for_selector("#chart[data-ahead]:not([aria-busy])")
        page.evaluate(PRESS, KEYS)  # what is done for the first time is compiled first
        frames, answers = page.evaluate(PRESS, KEYS)
        browser.close()
    return frames, answers


def told(name: str, spent_ms: "float | np.floating", most_ms: float) -> None:
    """Record how long something took."""
    record(name, round(float(spent_ms), 1), "ms", against="patience", other=most_ms, most=most_ms)


if __name__ == "__main__":
    main()
