"""What stands between a satellite and the ground, made up from a seed: clouds, shadows, the swath's edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clouds:
    """Clouds over a scene (rows, columns): how thick (0 to 1), and where they throw shadow."""

    thickness: np.ndarray
    shadow: np.ndarray


def clouds_over(shape: tuple[int, int], cloudiness: float, random: np.random.Generator) -> Clouds:
    """Clouds over about `cloudiness` of a scene, ragged at the edges; shadows north-west of them."""
    noise = smooth_noise(shape, random)
    if cloudiness <= 0:
        return Clouds(np.zeros(shape), np.zeros(shape, dtype=bool))
    edge = np.quantile(noise, 1 - cloudiness)
    thickness = np.clip((noise - edge) / (0.35 * (noise.max() - edge)), 0, 1)
    # At 11:21 the sun stands in the south-east: 300 m and 400 m away lies the shadow.
    shadow = np.zeros(shape, dtype=bool)
    shadow[:-30, :-40] = thickness[30:, 40:] > 0.3
    return Clouds(thickness, shadow & (thickness <= 0.05))


def swath_edge(shape: tuple[int, int], share: float) -> np.ndarray:
    """True where the scene has no data: a wedge in the north-west, cutting into `share` of the rows."""
    rows, columns = np.indices(shape, sparse=True)
    return columns < (share * shape[0] - rows) * 0.45


def smooth_noise(shape: tuple[int, int], random: np.random.Generator, *, octaves: int = 6) -> np.ndarray:
    """Random fields of ever finer grain, each at half the weight of the one before."""
    total = np.zeros(shape)
    for octave in range(octaves):
        cells = 3 * 2**octave + 1
        field = random.standard_normal((cells, cells))
        total += 0.5**octave * _stretched(field, shape)
    return total


def _stretched(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A coarse field interpolated to `shape`, smoothly at its nodes."""
    for axis, size in enumerate(shape):
        place = np.linspace(0, field.shape[axis] - 1, size)
        low = np.minimum(place.astype(int), field.shape[axis] - 2)
        share = place - low
        share = share * share * (3 - 2 * share)
        share = share[:, np.newaxis] if axis == 0 else share
        field = np.take(field, low, axis) * (1 - share) + np.take(field, low + 1, axis) * share
    return field
