"""Blocks to windows and pairs; splits in time that no window straddles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.errors import ShapeError
from tankwatch.shaping.grid import last_known


def sliding_windows(block: NDArray[Any], window: int) -> NDArray[Any]:
    """Return every window as a read-only view, (tanks, steps - window + 1, window, channels).

    Window ``i`` holds the steps from ``i`` to ``i + window - 1``.

    Args:
        block: (tanks, steps, channels).
        window: steps in a window.

    Raises:
        ShapeError: the block has fewer steps than a window.
    """
    if block.ndim != 3 or block.shape[1] < window:
        message = f"windows of {window} steps need a block (tanks, steps >= {window}, channels)"
        raise ShapeError(f"{message}, got {block.shape}")
    view = np.lib.stride_tricks.sliding_window_view(block, window, axis=1)
    return np.moveaxis(view, -1, 2)


def look_back_pairs(series: NDArray[Any], look_back: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each stretch of `look_back` steps and the step after it.

    Args:
        series: (steps, channels).
        look_back: steps that are looked at.

    Returns:
        Views (n, look_back, channels) and (n, channels), with n = steps - look_back.

    Raises:
        ShapeError: there is no step after a stretch.
    """
    if series.ndim != 2 or series.shape[0] <= look_back:
        message = f"a look-back of {look_back} needs a series (steps > {look_back}, channels)"
        raise ShapeError(f"{message}, got {series.shape}")
    return sliding_windows(series[None], look_back)[0, :-1], series[look_back:]


def window_validity(
    mask: NDArray[np.bool_], window: int, *, min_share: float = 0.8, seams: Sequence[int] = ()
) -> NDArray[np.bool_]:
    """Return which windows are known well enough, bool (tanks, steps - window + 1).

    A window counts if at least one channel is known in its last step, and if of that channel at
    least `min_share` of the steps are known.  None counts that begins before a seam and ends
    after it.

    Args:
        mask: bool (tanks, steps, channels).
        window: steps in a window.
        min_share: least share of known steps.
        seams: steps at which the block goes on at another time.
    """
    known = sliding_windows(mask, window).sum(axis=2)
    enough = (known >= min_share * window) & mask[:, window - 1 :]
    valid = np.asarray(enough.any(axis=-1))
    for seam in seams:
        valid[:, max(seam - window + 1, 0) : max(seam, 0)] = False
    return valid


def split_time(steps: int, share: float, *, window: int) -> tuple[slice, slice]:
    """Return an early and a late part of `steps` that share no window.

    Windows are taken within a part, so none straddles the border: the windows that would, are the
    purge gap of ``window - 1`` positions.

    Args:
        steps: number of steps.
        share: share of the late part.
        window: steps in a window.

    Raises:
        ShapeError: a part would be shorter than a window.
    """
    border = steps - round(steps * share)
    if min(border, steps - border) < window:
        message = (
            f"{steps} steps cannot be split into an early part and a late share of {share:g} that "
            f"each hold a window of {window} steps: give more history or a shorter window"
        )
        raise ShapeError(message)
    return slice(0, border), slice(border, steps)


def sample_windows(
    block: NDArray[Any], valid: NDArray[np.bool_], window: int, *, count: int, seed: int
) -> NDArray[Any]:
    """Return at most `count` valid windows, (n, window, channels), drawn evenly over the tanks.

    Args:
        block: (tanks, steps, channels).
        valid: bool (tanks, steps - window + 1), as `window_validity` gives it.
        window: steps in a window.
        count: most windows.
        seed: the same seed draws the same windows in the same order.
    """
    places = sample_places(valid, count=count, seed=seed)
    return np.asarray(sliding_windows(block, window)[places[:, 0], places[:, 1]])


def sample_places(valid: NDArray[np.bool_], *, count: int, seed: int) -> NDArray[np.int64]:
    """Return tank and first step of at most `count` valid windows, int64 (n, 2).

    They are drawn evenly over the tanks, in an order that says nothing of tank or time.

    Args:
        valid: bool (tanks, steps - window + 1), as `window_validity` gives it.
        count: most windows.
        seed: the same seed draws the same windows in the same order.
    """
    rng = np.random.default_rng(seed)
    per_tank = [rng.permutation(np.flatnonzero(row)) for row in valid]
    fair = -(-count // max(sum(places.size > 0 for places in per_tank), 1))
    places = [(tank, start) for tank, chosen in enumerate(per_tank) for start in chosen[:fair]]
    if not places:
        return np.empty((0, 2), dtype=np.int64)
    return rng.permutation(np.array(places, dtype=np.int64))[:count]


def hold_fill(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what a network is fed: the last known value, or 0 (the median) before the first.

    The mask still says that such a value is unknown; no error is counted on it.

    Args:
        values: float32 (tanks, steps, channels), scaled.
        mask: bool, same shape.
    """
    last = last_known(mask)
    held = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, held, np.float32(0.0)).astype(np.float32)


def rolling_mean(
    values: NDArray[np.float32], mask: NDArray[np.bool_], steps: int
) -> NDArray[np.float32]:
    """Return the mean of the known values among the last `steps`, NaN where none is known.

    Each mean is taken over its own steps, not from a running sum, so that it does not depend on
    where the block begins.

    Args:
        values: float32 (tanks, steps, channels).
        mask: bool, same shape.
        steps: steps that are averaged; near the beginning of the block, those that are there.
    """
    before = ((0, 0), (steps - 1, 0), (0, 0))
    filled = np.pad(np.where(mask, values, 0.0).astype(np.float32), before)
    known = np.pad(mask, before)
    view = np.lib.stride_tricks.sliding_window_view
    total = view(filled, steps, axis=1).sum(axis=-1, dtype=np.float32)
    count = view(known, steps, axis=1).sum(axis=-1)
    unknown = np.full_like(total, np.nan)
    return np.asarray(np.divide(total, count, out=unknown, where=count > 0), dtype=np.float32)
