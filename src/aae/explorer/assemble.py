"""The page as one text: the same for the server, which it asks for everything, and for a file that holds everything.

Scripts and style stand in the page, and the Content-Security-Policy names their hashes: nothing else runs, nothing is
loaded from elsewhere, and text that came with the data stays text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import Any

from aae.page import STYLE

SCRIPTS = (
    "base.js",
    "networks.js",
    "source.js",
    "plane.js",
    "pictures.js",
    "screen.js",
    "explorer.js",
    "legend.js",
    "gestures.js",
    "panels.js",
    "python.js",
    "input.js",
    "training.js",
    "main.js",
)
"""In the order in which a browser reads them: each uses only names of those before it, until the page has loaded."""


def assemble(title: str, meta: dict[str, Any] | None = None, payload: str = "") -> tuple[str, str]:
    """(page, Content-Security-Policy). With `meta`, the page holds it and `payload`, and its policy, itself."""
    style = STYLE + _text("style.css")
    scripts = [_text(name) for name in SCRIPTS]
    hashes = " ".join(f"'{_hash(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src '{_hash(style)}'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    if meta is None:
        head, data = "", ""
        policy += "; frame-ancestors 'none'"
    else:
        policy = policy.replace("connect-src 'self'; ", "").replace("'self' ", "")
        head = f'<meta http-equiv=Content-Security-Policy content="{policy}">'
        data = f"<script type=application/json id=meta>{_inert(meta)}</script>"
        data += f"<script type=application/octet-stream id=payload>{payload}</script>"
    head = (
        f"<meta charset=utf-8>{head}<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<link rel=icon href='data:,'><title>{html.escape(title)}</title><style>{style}</style>"
    )
    code = "".join(f"<script>{script}</script>" for script in scripts)
    page = (
        f"<!doctype html><html lang=en><head>{head}</head><body><main>{_text('index.html')}</main>{data}{code}</body>"
    )
    return page + "</html>\n", policy


def _text(name: str) -> str:
    return (resources.files("aae.explorer") / "front" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(plain(value), allow_nan=False).replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """The same, with None for numbers that JSON has no word for."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
