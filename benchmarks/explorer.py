"""How fast the explorer is: `python benchmarks/explorer.py RUN [--data-dir DIR]`, with Chromium and chromedriver.

Measured in Chromium without a window, on the machine as it is, from the event's own time stamp:

- time from a pointer move to the decoded picture drawn, median and 95th percentile, with a server and in the file;
- pictures of 100,000 points a second, while the plane is panned;
- size of the exported page, and time until each page shows its first decoded picture;
- time from starting `aae explore` to its address, and to the page's first answer.

With --fuzz it also counts requests of schemathesis against the server's own schema, and answers of 500 and above.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

MOVES = 300

PAN = """
const done = arguments[arguments.length - 1], e = aaeExplorer, n = 100000;
const make = (width, fill) => Float32Array.from({length: n * width}, fill);
const codes = make(e.latent, () => 4 * Math.random() - 2);
e.take({codes, labels: Int32Array.from({length: n}, (_, i) => i % 10), split: new Uint8Array(n),
  row: Uint32Array.from({length: n}, (_, i) => i), prior: e.priorCodes, assigned: new Int32Array(n)});
let frames = 0, spent = 0; const began = performance.now();
(function step() {
  const start = performance.now();
  e.view.pan(Math.sin(frames / 9) * 4, 0); e.draw(); e.drawOver(); frames++;
  spent += performance.now() - start;
  const now = performance.now() - began;
  if (now < 5000) requestAnimationFrame(step);
  else done({shown: frames / now * 1000, drawing: spent / frames});
})();
"""


def browser() -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-background-networking",
        "window-size=1280,860",
    ):
        options.add_argument(f"--{argument}")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


def opened(driver: Any, address: str) -> float:
    """Seconds until the page at the address has decoded its first picture."""
    began = time.perf_counter()
    driver.get(address)
    while not driver.execute_script("return typeof aaeExplorer === 'object' && aaeExplorer.timings.length > 0"):
        time.sleep(0.02)
    return time.perf_counter() - began


def moves(driver: Any) -> dict[str, float]:
    """Milliseconds from a move of the pointer to the new picture; moves go around a spiral, as fast as they come."""
    from selenium.webdriver.common.action_chains import ActionChains

    box = driver.execute_script(
        "return aaeExplorer.timings.length = 0, document.getElementById('over').getBoundingClientRect()"
    )
    angle = np.linspace(0, 20, MOVES)
    for turn, radius in zip(angle, np.linspace(10, 0.4 * min(box["width"], 400), MOVES), strict=True):
        actions = ActionChains(driver, duration=10)
        x, y = box["x"] + box["width"] / 2 + radius * np.cos(turn), box["y"] + 250 + radius * np.sin(turn)
        actions.w3c_actions.pointer_action.move_to_location(int(x), int(y))
        actions.perform()
    time.sleep(0.5)
    found = driver.execute_script("return aaeExplorer.timings")
    return {"pictures": len(found), "median_ms": float(np.median(found)), "p95_ms": float(np.quantile(found, 0.95))}


def serve(run: str, rest: list[str]) -> tuple[subprocess.Popen[str], str, dict[str, float]]:
    """`aae explore`, its address, and the seconds until it printed and answered."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "aae", "explore", run, "--no-browser", *rest]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().removeprefix("explorer: ").strip()
    printed = time.perf_counter() - began
    with urllib.request.urlopen(address) as answer:  # the server this script has just started
        answer.read()
    return process, address, {"address_s": printed, "answer_s": time.perf_counter() - began}


def fuzz(address: str) -> dict[str, Any]:
    """Requests by schemathesis to every operation of the server's schema, and what came back."""
    base, _, token = address.partition("/?token=")
    tool = Path(sys.executable).with_name("schemathesis")
    command = [str(tool), "run", f"{base}/api/openapi.json", "-H", f"Authorization: Bearer {token}"]
    command += ["--max-examples", "300", "--checks", "not_a_server_error", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counts = re.findall(r"([\d,]+) generated", done.stdout)
    return {"exit_code": done.returncode, "generated": counts[-1] if counts else None, "summary": done.stdout[-1500:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--data-dir")
    parser.add_argument("--fuzz", action="store_true")
    given = parser.parse_args()
    rest = ["--data-dir", given.data_dir] if given.data_dir else []
    found: dict[str, Any] = {"run": given.run, "processors": os.cpu_count(), "python": platform.python_version()}
    process, address, found["start"] = serve(given.run, rest)
    driver = browser()
    try:
        found["browser"] = driver.capabilities["browserVersion"]
        found["server"] = {"first_picture_s": opened(driver, address), **moves(driver)}
        if given.fuzz:
            found["fuzz"] = fuzz(address)
        process.terminate()
        process.wait(20)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            command = [sys.executable, "-m", "aae", "export", given.run, "--explorer", str(page), *rest]
            found["export"] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            found["file"] = {
                "bytes": page.stat().st_size,
                "first_picture_s": opened(driver, page.as_uri()),
                **moves(driver),
            }
            driver.set_script_timeout(30)
            found["frames_at_100000"] = driver.execute_async_script(PAN)
    finally:
        driver.quit()
        process.kill()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
