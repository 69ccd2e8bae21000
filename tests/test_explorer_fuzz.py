"""The explorer's interface under schemathesis, which makes requests from the server's own schema, valid and not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from explorer_kit import serving

import aae
from aae.data import Dataset
from aae.explorer.scene import Scene

TOOL = Path(sys.executable).with_name("schemathesis")


@pytest.mark.slow
@pytest.mark.skipif(not TOOL.exists(), reason="needs schemathesis: pip install 'adversarial-autoencoder[fuzz]'")
def test_no_request_of_schemathesis_makes_the_server_fail(trained: aae.Run, digits: Dataset, tmp_path: Path) -> None:
    scene = Scene(trained, digits)
    scene.refresh()
    with serving(scene) as asking:
        address = f"http://127.0.0.1:{asking.server.port}/api/openapi.json"
        header = f"Authorization: Bearer {asking.server.token}"
        command = [str(TOOL), "run", address, "-H", header, "--max-examples", "300", "--seed", "1", "--no-color"]
        command += ["--checks", "not_a_server_error,response_schema_conformance"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-4000:]
        made = re.search(r"([\d,]+) generated", done.stdout)
        assert made, done.stdout[-2000:]
        assert int(made[1].replace(",", "")) > 1000
        assert asking("/api/meta").status == 200
