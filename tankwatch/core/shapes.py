"""What a channel did, told from the shape of its readings over a flagged stretch and before it.

Everything is measured in what is usual for that very channel: its noise, and the largest jump and
the farthest single reading of the days before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.incident import Symptom

Floats = NDArray[np.float64]

LEAD = 10
_DAYS = 4
HOUR = 60
FEWEST_BEFORE = 4 * HOUR

_CLEAR = 8.0  # noises
_MORE = 3.0  # than all but a few before
_MOST = 0.99
_MOST_SPIKES = 0.2
_NOISY = 2.5
_TURNING = -0.2
_PERIODIC = 0.6
_NEAR = 4.0  # noises
_PART = 0.1
_CUT = 5.0
_SWINGS = 2.0
_IN_TWO = 0.8
_EACH = 0.1
_LASTING = 0.75
_BEYOND_DAYS = 1.5
_OF_WHITE = np.sqrt(6.0)  # standard deviation of the second difference of white noise
_MEAN_SIZE = 0.798  # mean of |x| of a standard normal x
_HALF_SIZE = 0.674  # its median


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a channel, in its unit: noise, farthest single reading, largest jump."""

    noise: float
    outlier: float
    jump: float


def tell_shape(values: Floats, first: int) -> Symptom | None:
    """Return what the flagged stretch of a channel looks like, None if it has no clear shape.

    Args:
        values: float64 (steps,), days before the stretch and the stretch itself, NaN where unknown.
        first: index of the first flagged step.
    """
    before = values[: max(first - LEAD, 0)]
    usual = usual_of(before)
    if usual is None:
        return None
    stretch = values[max(first - LEAD, 0) :]
    shapes = (
        (Symptom.CHATTERING, is_flipping, stretch[: LEAD + 2 * HOUR]),
        (Symptom.OSCILLATION, is_swinging, stretch[LEAD : LEAD + 3 * HOUR]),
        (Symptom.SPIKE, is_spiky, stretch),
        (Symptom.NOISE, is_noisy, stretch[LEAD // 2 :]),
        (Symptom.STEP, has_step, stretch[: 3 * LEAD]),
    )
    return next((symptom for symptom, is_so, part in shapes if is_so(part, usual)), None)


def is_drifting(values: Floats, first: int, *, side: int, steps_per_day: int) -> bool:
    """Return whether the channel has moved to one side for a day, beside the days before.

    The medians of 24 parts of the last day, less those of the same part of the three days before,
    must rise or fall with the time (Spearman), by more than days usually differ.

    Args:
        values: float64 (steps,), days before the stretch and the stretch itself, NaN where unknown.
        first: index of the first flagged step.
        side: +1 above what was expected, -1 below.
        steps_per_day: of the grid.
    """
    part = steps_per_day // 24
    days = _DAYS * 24 * part
    if side == 0 or part < 1 or first < days:
        return False
    parts = values[first - days : first].reshape(_DAYS, 24, part)
    if (np.isfinite(parts).sum(axis=2) == 0).any():
        return False
    medians = np.nanmedian(parts, axis=2)
    course = medians[-1] - medians[:-1].mean(axis=0)
    usually = float(np.abs(np.diff(medians[:-1], axis=0)).mean())
    moved = side * float(np.median(course[-3:]) - np.median(course[:6]))
    ranks = np.argsort(np.argsort(course, kind="stable"), kind="stable")
    together = side * float(np.corrcoef(np.arange(24), ranks)[0, 1])
    return together >= _LASTING and moved > _BEYOND_DAYS * usually


def usual_of(before: Floats) -> Usual | None:
    """Return what is usual, None if too little is known or the channel never moves."""
    known = before[np.isfinite(before)]
    if known.size < FEWEST_BEFORE:
        return None
    bend = np.abs(np.diff(known, n=2)) / _OF_WHITE
    noise = max(float(np.quantile(bend, 0.75)) / 1.15, 0.5 * float(bend.mean()) / _MEAN_SIZE)
    if noise <= 0:
        return None
    # Not the largest ever: spikes of last night must not make today's look usual.
    outlier = float(np.quantile(np.abs(known - running_median(known)), _MOST))
    jump = float(np.quantile(np.abs(np.diff(known)), _MOST))
    return Usual(noise, max(_CLEAR * noise, _MORE * outlier), max(_CLEAR * noise, _MORE * jump))


def is_spiky(stretch: Floats, usual: Usual) -> bool:
    """Return whether single readings stand far off while the others are as usual."""
    known = stretch[np.isfinite(stretch)]
    if known.size < LEAD:
        return False
    is_far = np.abs(known - running_median(known)) > usual.outlier
    if not 0 < is_far.sum() <= _MOST_SPIKES * known.size:
        return False
    rest = known[~is_far]
    return noise_ratio(rest, usual) < _NOISY


def is_noisy(stretch: Floats, usual: Usual) -> bool:
    """Return whether neighbouring readings differ far more than usual, and turn back at once."""
    known = stretch[np.isfinite(stretch)]
    if known.size < 5 or float(turning(known[None])[0]) >= _TURNING:
        return False
    # More than half of the bends, so that a few spikes are no noise.
    half = float(np.median(np.abs(np.diff(known, n=2)))) / _OF_WHITE / _HALF_SIZE
    return bool(half >= _NOISY * usual.noise)


def has_step(stretch: Floats, usual: Usual) -> bool:
    """Return whether the level changed from one reading to the next as the stretch began."""
    known = stretch[np.isfinite(stretch)]
    if known.size < LEAD // 2:
        return False
    change = np.diff(known)
    at = int(np.abs(change).argmax())
    if abs(change[at]) <= usual.jump or at > LEAD + LEAD // 2:
        return False
    earlier, later = known[max(at - LEAD, 0) : at + 1], known[at + 1 : at + 1 + LEAD]
    if later.size < 2:
        return False
    before, after = float(np.median(earlier)), float(np.median(later))
    near = max(_NEAR * usual.noise, _PART * abs(after - before))
    is_kept = (after - before) * change[at] > 0 and abs(after - before) > usual.jump
    # A tank takes some steps to its new level, an instrument none.
    return bool(is_kept and abs(known[at + 1] - after) <= near and abs(known[at] - before) <= near)


def is_flipping(stretch: Floats, usual: Usual) -> bool:
    """Return whether the value went to and fro between two levels."""
    known = stretch[np.isfinite(stretch)]
    if known.size < LEAD or np.ptp(known) <= usual.jump:
        return False
    return int(count_flips(known[None])[0]) >= 3


def is_swinging(stretch: Floats, usual: Usual) -> bool:
    """Return whether the value swings with a period of a few to some forty steps."""
    known = stretch[np.isfinite(stretch)]
    if known.size < HOUR:
        return False
    smooth = np.convolve(known, np.full(3, 1 / 3), mode="valid")
    trend = np.convolve(np.pad(smooth, 20, mode="edge"), np.full(41, 1 / 41), mode="valid")
    swing = smooth - trend
    # The middle of the swing, which a few spikes leave as it is.
    if float(np.median(np.abs(swing))) / _HALF_SIZE < _SWINGS * usual.noise:
        return False
    return periodicity(swing) >= _PERIODIC


def periodicity(swing: Floats) -> float:
    """Return the height of the first peak of the autocorrelation after its first dip, 0 to 1."""
    centred = swing - swing.mean()
    size = centred.size
    full = np.correlate(centred, centred, mode="full")[size - 1 : size + HOUR]
    if full[0] <= 0:
        return 0.0
    correlation = full / full[0] * size / (size - np.arange(full.size))
    dip = np.flatnonzero(correlation < -0.2)
    if not dip.size:
        return 0.0
    after = correlation[dip[0] : min(size // 2, correlation.size)]
    return float(np.clip(after.max(initial=0.0), 0.0, 1.0))


def noise_ratio(known: Floats, usual: Usual) -> float:
    """Return the noise of some readings over the usual, each bend cut at five times its size."""
    if known.size < 5:
        return 0.0
    bend = np.abs(np.diff(known, n=2)) / _OF_WHITE / usual.noise
    return float(np.minimum(bend, _CUT).mean() / _MEAN_SIZE)


def running_median(values: Floats) -> Floats:
    """Return the median of five around each value, fewer at the ends."""
    padded = np.pad(values, 2, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1))


def turning(last: Floats) -> Floats:
    """Return the correlation of neighbouring changes, (rows,): -0.5 for noise, near 1 for a swing.

    Args:
        last: float64 (rows, steps), NaN where unknown; 0 is given for a row without changes.
    """
    change = np.nan_to_num(np.diff(last, axis=1))
    square = (change**2).sum(axis=1)
    product = (change[:, 1:] * change[:, :-1]).sum(axis=1)
    ratio = np.divide(product, square, out=np.zeros_like(square), where=square > 0)
    return np.asarray(ratio)


def count_flips(last: Floats) -> NDArray[np.int64]:
    """Return how often each row flips between two levels, int64 (rows,), 0 if it has not two.

    It has two if four fifths of its readings lie in the outer quarters of their range, and a tenth
    at least in each; those of a swing, of noise or of a line with spikes do not.

    Args:
        last: float64 (rows, steps), NaN where unknown; at least one value a row is known.
    """
    top, bottom = np.nanmax(last, axis=1)[:, None], np.nanmin(last, axis=1)[:, None]
    quarter = (top - bottom) / 4.0
    with np.errstate(invalid="ignore"):
        side = (last >= top - quarter).astype(np.int64) - (last <= bottom + quarter)
    outer = np.abs(side).sum(axis=1)
    known = np.isfinite(last).sum(axis=1)
    flips = np.array([int(np.count_nonzero(np.diff(row[row != 0]))) for row in side])
    fewer = np.minimum((side > 0).sum(axis=1), (side < 0).sum(axis=1))
    is_two = (outer >= _IN_TWO * known) & (fewer >= _EACH * known) & (2 * known >= last.shape[1])
    return np.where(is_two & (quarter[:, 0] > 0), flips, 0)
