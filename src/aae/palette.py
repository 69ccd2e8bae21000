"""Colours that figures and pages share."""

from __future__ import annotations

PALETTE = (
    "#1F1F7A",
    "#D55E00",
    "#56B4E9",
    "#2E8B57",
    "#F0E442",
    "#9B59B6",
    "#882255",
    "#8DD35F",
    "#FB9A99",
    "#7A4A1E",
)
"""Ten colours for classes. Every two of them are further apart than the closest two of Okabe and Ito's eight, for
normal vision and for simulated protanopia, deuteranopia and tritanopia (CIE 1976 colour difference; the matrices of
Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009)."""

UNLABELLED = "#B8B8B8"


def shaded(hexes: tuple[str, ...] = PALETTE) -> tuple[str, ...]:
    """The colours, each of them half way to white, and each half way to black: three times as many, all different.

    For screens where a legend lists every class by itself, and a colour can be looked up by pointing at it.
    """
    return (*hexes, *(_mixed(colour, 255) for colour in hexes), *(_mixed(colour, 0) for colour in hexes))


def _mixed(colour: str, with_: int) -> str:
    return "#" + "".join(f"{(int(colour[i : i + 2], 16) + with_) // 2:02X}" for i in (1, 3, 5))
