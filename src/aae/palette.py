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
