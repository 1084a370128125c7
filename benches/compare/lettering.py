"""Widths of text in an SVG, which has no layout of its own, and where lines break."""

from __future__ import annotations

#: Advance widths of Helvetica in thousandths of the size, as its metrics file has them, for the characters from space to tilde.
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, *(556,) * 10, 278, 278, 584, 584, 584, 556, 1015,
    667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611,
    278, 278, 278, 469, 556, 333,
    556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500,
    334, 260, 334, 584,
)
#: What stands for system-ui may be wider: Verdana and DejaVu Sans are, by so much.
_WIDEST = 1.18
_BOLD = 1.08


def width(text: str, size: float, bold: bool = False) -> float:
    """In pixels, at the most."""
    thousandths = sum(_WIDTHS[ord(one) - 32] if " " <= one <= "~" else 650 for one in text)
    return thousandths / 1000 * size * _WIDEST * (_BOLD if bold else 1)


def lines(text: str, size: float, room: float, bold: bool = False) -> list[str]:
    """Broken between words, so that each line has room."""
    found: list[str] = []
    for word in text.split():
        if found and width(f"{found[-1]} {word}", size, bold) <= room:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found
