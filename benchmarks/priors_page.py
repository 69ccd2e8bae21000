"""Draw the pictures of docs/priors.md: one small PNG for each prior.

python benchmarks/priors_page.py docs/images/priors
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from aae import priors
from aae.gallery import picture
from aae.plots import to_png_bytes


def star(side: int = 96) -> Image.Image:
    """A black five-pointed star on white paper: the picture that stands for any other."""
    turn = np.pi / 2 + np.pi * np.arange(10) / 5
    radius = side * np.where(np.arange(10) % 2, 0.19, 0.47)
    corners = np.stack([side / 2 + radius * np.cos(turn), side / 2 - radius * np.sin(turn)], 1)
    paper = Image.new("L", (side, side), 255)
    ImageDraw.Draw(paper).polygon([tuple(corner) for corner in corners], fill=0)
    return paper


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    star().save(folder / "star.png", optimize=True)
    angle = np.linspace(0, np.pi, 300)
    moons = np.concatenate([[np.cos(angle), np.sin(angle)], [1 - np.cos(angle), 0.5 - np.sin(angle)]], 1).T
    shown = {
        name: priors.named(name) for name in priors.KINDS if name not in ("picture", "points", "product", "plugin")
    }
    shown["ring-labels"] = priors.prior("ring", components=10, labels=True)
    shown["gaussian-covariance"] = priors.prior("gaussian", covariance=(2.0, 1.2, 1.2, 1.0))
    shown["picture"] = priors.from_picture(folder / "star.png")
    shown["points"] = priors.from_points(moons, width=0.1, labels=np.repeat([0, 1], 300))
    for name, prior in shown.items():
        drawn = Image.open(io.BytesIO(to_png_bytes(picture(prior)))).convert("RGB")
        drawn.thumbnail((440, 440), Image.Resampling.LANCZOS)
        drawn.quantize(256, Image.Quantize.MAXCOVERAGE).save(folder / f"prior-{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
