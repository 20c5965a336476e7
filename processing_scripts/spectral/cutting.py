"""Rings of polygons, cut to a rectangle (Sutherland and Hodgman 1974)."""

from __future__ import annotations

import numpy as np


def cut(ring: np.ndarray, rectangle: tuple[float, float, float, float]) -> np.ndarray:
    """What of a closed ring's inside lies within the rectangle: a closed ring again, which is empty where nothing does.

    Parts that fall apart stay joined along the rectangle's sides.

    Args:
        ring: points (number, 2), the last the same as the first.
        rectangle: the smallest values of both coordinates, then the largest ones.
    """
    for axis, sign, end in ((0, 1, 0), (1, 1, 1), (0, -1, 2), (1, -1, 3)):
        ring = _cut(ring, axis, sign, rectangle[end])
    return ring


def _cut(ring: np.ndarray, axis: int, sign: int, end: float) -> np.ndarray:
    points, following = ring[:-1], ring[1:]
    within = sign * (ring[:, axis] - end) >= 0
    if within.all():
        return ring
    crosses = within[:-1] != within[1:]
    met = points.copy()
    share = (end - points[crosses, axis]) / (following[crosses, axis] - points[crosses, axis])
    met[crosses] += share[:, np.newaxis] * (following[crosses] - points[crosses])
    met[crosses, axis] = end
    both = np.stack([points, met], axis=1)[np.stack([within[:-1], crosses], axis=1)]
    return np.concatenate([both, both[:1]])
