"""When the Platform page paints something useful, in Chromium: python page_paint.py URL TOKEN prints JSON.

Runs in the environment that `make browser` makes.
"""

from __future__ import annotations

import json
import os
import statistics
import sys

from playwright.sync_api import sync_playwright

ROUNDS = 5
# Useful is the verdict, not the frame around it.
WAIT = """() => new Promise((done) => {
  const painted = () => requestAnimationFrame(() => done(performance.now()));
  const look = () => (document.querySelector('[data-verdict]') ? painted() : setTimeout(look, 5));
  look();
})"""


def main(url: str, token: str) -> None:
    """Measure a few loads of a warm server, each with an empty browser cache."""
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        times, sizes = [], []
        for _ in range(ROUNDS + 1):
            context = browser.new_context()
            context.add_cookies([{"name": "_token", "value": token, "url": url}])
            page = context.new_page()
            got: list[int] = []
            page.on("requestfinished", lambda request, got=got: got.append(request.sizes()["responseBodySize"]))
            page.goto(f"{url}?environment=dev&region=us-east-1")
            times.append(page.evaluate(WAIT))
            page.wait_for_timeout(300)
            sizes.append(sum(got))
            context.close()
        browser.close()
    # The first load warms the server and the browser's process.
    print(
        json.dumps(
            {
                "useful_ms_median": round(statistics.median(times[1:])),
                "useful_ms_worst": round(max(times[1:])),
                "transferred_bytes": max(sizes),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
