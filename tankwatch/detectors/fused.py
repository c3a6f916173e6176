"""Several views on one scale: what no forecast expected, unusual levels, ways and stays."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tankwatch.core.incident import Sign
from tankwatch.detectors.dwell import BAND_NOISES, DwellLesson
from tankwatch.detectors.folds import cross_fitted
from tankwatch.detectors.forecaster import LARGEST_RESIDUAL, ForecastingDetector
from tankwatch.detectors.fusion import Fusion
from tankwatch.detectors.joint import LAGS, Joint, learn_joint
from tankwatch.detectors.level import Level, LevelLesson
from tankwatch.detectors.smoothing import Doubles, ewma
from tankwatch.detectors.stays import Stays
from tankwatch.detectors.streaming import WARM_STEPS, Memory
from tankwatch.detectors.threshold import fit_peak_threshold
from tankwatch.detectors.travel import Travel
from tankwatch.detectors.view import EVERY, Floats, Mask, View
from tankwatch.shaping.windows import hold_fill

_SURPRISE_SPAN = 30
_TILTED = 0.7
_MARGIN = 1.15
_HIGH, _HIGH_OF_STAYS = 0.9, 0.99


class FusedDetector(ForecastingDetector):
    """The default: five views, each with its share of the alarm budget.

    - *Surprise*: root mean square of the forecaster's standardised residuals over 30 steps; spikes,
      jumps, noise and oscillation show in it.
    - *Level*: distance from the usual range, beside what the whole site does; offsets, drift,
      valves that open too late and heaters that fail show in it.
    - *Travel*: how far the channel travels in an hour; a control that hunts shows in it.
    - *Stay*: how long the channel has stood at a level that it otherwise only passes; leaks and
      valves that are propped open show in it.
    - *Joint*: distance of all channels' last ten steps together from where they usually stand; a
      pressure that parts from its temperature shows in it.

    The network learns from the early part of the history; level, stay and joint learn from all of
    it, their thresholds from time that each fold of them has not seen.  Each view of each channel
    gets a threshold from an even share of the budget, pooled over the fleet and drawn to the tank
    as its history grows; `Fusion` makes one score of them.
    """

    name: ClassVar[str] = "fused"

    def _learn(self, scaled: Floats, mask: Mask, held_out: slice) -> None:
        super()._learn(scaled, mask, held_out)
        filled = hold_fill(scaled, mask).astype(np.float64)
        everything = np.ones(scaled.shape[1], dtype=bool)
        settled = self._settled(mask)
        site = LevelLesson(filled, settled, self.groups_, self.seams)
        self._lessons = site, DwellLesson(filled, mask)
        level, dwell = self._lessons
        self.level_ = level.learn(everything)
        channels = dwell.passing
        self.stays_ = Stays(channels, dwell.learn(everything, channels))
        self.joint_ = learn_joint(filled, settled, everything, seed=self.random_state)

    def _calibrate(self, view: View, scaled: Floats, mask: Mask, held_out: slice) -> None:
        """Set thresholds and fusion by the whole history, each fold seen by what learned elsewhere.

        The network has seen the early part; with as few weights as it has, it surprises there about
        as much as later.
        """
        filled = hold_fill(scaled, mask).astype(np.float64)
        steps, places = scaled.shape[1], np.arange(scaled.shape[0])
        settled = self._settled(mask)
        level, dwell = self._lessons
        del self._lessons
        kinds = cross_fitted(level.learn, level.distances, steps)
        self.level_.by_site = level.choose(self.level_, kinds)
        distance = np.where(self.level_.by_site[:, None], kinds[..., 1], kinds[..., 0])
        mine = self.stays_.channels
        stay = cross_fitted(
            lambda learned: dwell.learn(learned, mine),
            lambda norms: dwell.ratios(norms, mine),
            steps,
            purge=WARM_STEPS,
        )
        channels = scaled.shape[2]
        memory: Memory = {"joint": np.full((len(places), LAGS - 1, channels), np.nan)}
        together = cross_fitted(
            lambda learned: learn_joint(filled, settled, learned, seed=self.random_state),
            lambda joint: joint.see(filled, places, dict(memory))[0],
            steps,
            purge=LAGS,
        )
        surprise, _, way, _, _ = np.split(view.errors, self._borders, axis=2)
        parts = [surprise, distance, way, _flat(stay), together[..., None]]
        errors = np.concatenate(parts, axis=2)[:, :, : view.errors.shape[2]]
        unseen = np.where(np.isfinite(view.errors), errors, np.nan).astype(np.float32)
        high = [_HIGH_OF_STAYS if sign is Sign.STAY else _HIGH for sign in self._signs]
        self.threshold_ = fit_peak_threshold(unseen, self._budget(), margin=_MARGIN, high=high)
        relative = unseen / self.threshold_.level[:, None]
        self.fusion_ = Fusion.fit(relative, self._view_of, self._budget())
        self._look_back_on(unseen)
        self.unseen_score_ = self.unseen_score_[:, held_out]

    def _layout(self, channels: int) -> dict[str, tuple[int, ...]]:
        return (
            super()._layout(channels)
            | Level.layout(channels)
            | Travel.layout(channels)
            | Joint.layout(channels)
            | self.stays_.layout()
            | {"rough": (channels,)}
        )

    def _begin(self, memory: Memory, rows: NDArray[np.bool_]) -> None:
        super()._begin(memory, rows)
        for view in (Level, Travel, Joint, Stays):
            view.begin(memory, rows)
        memory["rough"][rows] = 1.0

    def _advance(self, held: Floats, mask: Mask, places: NDArray[np.int64], memory: Memory) -> View:
        residual, _ = self._residuals(held, mask, places, memory)
        raw = np.clip(np.nan_to_num(residual, nan=1.0), -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
        rough = ewma(raw**2, _SURPRISE_SPAN, memory["rough"])
        memory["rough"] = rough[:, -1].copy()
        doubles = held.astype(np.float64)
        distance, left, expected = self.level_.see(doubles, mask, places, memory)
        together, parts = self.joint_.see(doubles, places, memory)
        stay = _flat(self.stays_.see(doubles, places, memory))
        views = [np.sqrt(rough), distance, Travel.see(doubles, memory), stay, together[..., None]]
        errors = np.concatenate(views, axis=2)[:, :, : len(self._feature_channels)]
        known = np.stack(
            [mask.all(axis=2) if c == EVERY else mask[:, :, c] for c in self._feature_channels], 2
        )
        # Noise has no direction: one is told only where the level itself is near its edge.
        tilt = np.where(np.nan_to_num(distance) > _TILTED, left, 0.0)
        return View(
            np.where(known, errors, np.nan).astype(np.float32),
            parts.astype(np.float32),
            tilt.astype(np.float32),
            expected.astype(np.float32),
            self._feature_channels,
            self._signs,
        )

    def _score(self, relative: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.fusion_.score(relative)

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Return the features of each view; one channel has no joint view."""
        channels = self.n_channels_
        stays = len(self.stays_.channels) * len(BAND_NOISES)
        return channels, channels, channels, stays, int(channels > 1)

    @property
    def _borders(self) -> list[int]:
        return [int(border) for border in np.cumsum(self._sizes)[:-1]]

    @property
    def _view_of(self) -> tuple[int, ...]:
        return tuple(np.repeat(np.arange(len(self._sizes)), self._sizes).tolist())

    @property
    def _feature_channels(self) -> tuple[int, ...]:
        every = tuple(range(self.n_channels_))
        stays = tuple(np.repeat(self.stays_.channels, len(BAND_NOISES)).astype(int).tolist())
        return every * 3 + stays + (EVERY,) * self._sizes[-1]

    @property
    def _signs(self) -> tuple[Sign, ...]:
        of_view = (Sign.NONE, Sign.NONE, Sign.NONE, Sign.STAY, Sign.TOGETHER)
        return tuple(of_view[view] for view in self._view_of)

    def _learned(self) -> dict[str, Any]:
        return super()._learned() | {
            "level": self.level_.to_json(),
            "joint": self.joint_.to_json(),
            "stays": self.stays_.to_json(),
            "fusion": self.fusion_.to_json(),
        }

    def _relearn(self, learned: dict[str, Any]) -> None:
        # First, since what an older version learned has none: it is refused by that name.
        self.fusion_ = Fusion.from_json(learned["fusion"])
        super()._relearn(learned)
        self.level_ = Level.from_json(learned["level"])
        self.joint_ = Joint.from_json(learned["joint"])
        self.stays_ = Stays.from_json(learned["stays"])


def _flat(stay: Doubles) -> Doubles:
    """Return stays with channels and widths as one axis, (tanks, steps, channels * widths)."""
    return stay.reshape(*stay.shape[:2], -1)
