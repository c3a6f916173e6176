"""The weather of a site, shared by its tanks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

HOUR_S = 3600.0
DAY_S = 86_400.0
YEAR_DAYS = 365.25
STANDARD_KPA = 101.325


@dataclass(frozen=True, slots=True)
class Climate:
    """What is typical of a site.

    Attributes:
        latitude_deg: north is positive; the site keeps solar time.
        mean_degc: ambient temperature over the year.
        season_k: half the swing of the year.
        day_k: half the swing of a clear day.
        weather_k: standard deviation of what passing weather adds.
        cloudiness: centre of the cloud process before it is squeezed into 0..1; 0 is half covered.
    """

    latitude_deg: float
    mean_degc: float
    season_k: float
    day_k: float
    weather_k: float
    cloudiness: float


CLIMATES: dict[str, Climate] = {
    "north": Climate(53.0, 10.0, 8.0, 4.5, 2.5, 0.2),
    "gulf": Climate(25.0, 27.0, 8.0, 6.0, 1.5, -2.0),
    "tropics": Climate(3.0, 27.0, 1.0, 4.5, 1.0, 0.0),
}


@dataclass(frozen=True, slots=True)
class Sky:
    """The weather of one step, see `Weather`."""

    ambient_degc: float
    irradiance_w_m2: float
    cloud: float
    barometer_kpa: float


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather at each step.

    Attributes:
        ambient_degc: float64 (steps,), air temperature.
        irradiance_w_m2: float64 (steps,), sunlight on a level surface.
        cloud: float64 (steps,), covered fraction of the sky, 0 to 1.
        barometer_kpa: float64 (steps,), absolute.
    """

    ambient_degc: NDArray[np.float64]
    irradiance_w_m2: NDArray[np.float64]
    cloud: NDArray[np.float64]
    barometer_kpa: NDArray[np.float64]

    def at(self, step: int) -> Sky:
        """Return the weather of one step."""
        return Sky(
            float(self.ambient_degc[step]),
            float(self.irradiance_w_m2[step]),
            float(self.cloud[step]),
            float(self.barometer_kpa[step]),
        )

    def after(self, step: int) -> "Weather":
        """Return the weather from `step` on, as views."""
        return Weather(
            self.ambient_degc[step:],
            self.irradiance_w_m2[step:],
            self.cloud[step:],
            self.barometer_kpa[step:],
        )


def make_weather(
    rng: np.random.Generator, climate: Climate, *, times_s: NDArray[np.int64], step_s: int
) -> Weather:
    """Return the weather at `times_s`, int64 (steps,), regular epoch seconds.

    Sun: declination after Cooper (1969) and the hour angle, as in Duffie and Beckman, *Solar
    Engineering of Thermal Processes*; clear-sky light and its loss to cloud after Kasten and
    Czeplak (1980).  Cloud, weather temperature and barometer are Ornstein-Uhlenbeck processes in
    the exact update of Gillespie (1996), the barometer lagged once more so that it is smooth.
    """
    size = times_s.size

    def wander(deviation: float, hours: float) -> NDArray[np.float64]:
        return ornstein_uhlenbeck(
            rng, size, deviation=deviation, steps_to_forget=hours * HOUR_S / step_s
        )

    cloud = 1.0 / (1.0 + np.exp(-(climate.cloudiness + wander(1.8, 14.0) + wander(0.7, 0.5))))
    sine = solar_elevation_sine(times_s, climate.latitude_deg)
    irradiance = np.maximum(910.0 * sine - 30.0, 0.0) * (1.0 - 0.75 * cloud**3.4)
    day = (times_s / DAY_S) % YEAR_DAYS
    hour = (times_s % DAY_S) / HOUR_S
    hottest_day = 200.0 if climate.latitude_deg >= 0 else 17.0
    clear = 1.0 - 0.6 * smooth(cloud, steps_to_forget=6.0 * HOUR_S / step_s)
    day_cycle = climate.day_k * clear * np.cos(math.tau * (hour - 15.0) / 24.0)
    ambient = (
        climate.mean_degc
        + climate.season_k * np.cos(math.tau * (day - hottest_day) / YEAR_DAYS)
        + day_cycle
        + smooth(wander(climate.weather_k, 30.0), steps_to_forget=2.0 * HOUR_S / step_s)
    )
    barometer = STANDARD_KPA + smooth(wander(0.9, 40.0), steps_to_forget=4.0 * HOUR_S / step_s)
    return Weather(ambient, irradiance, cloud, barometer)


def solar_elevation_sine(times_s: NDArray[np.int64], latitude_deg: float) -> NDArray[np.float64]:
    """Return float64 (steps,), the sine of the sun's height; below 0 at night.

    Cooper (1969) for the declination; solar time is taken to be UTC.
    """
    day = (times_s / DAY_S) % YEAR_DAYS
    declination = math.radians(23.45) * np.sin(math.tau * (284.0 + day) / 365.0)
    hour_angle = math.tau * ((times_s % DAY_S) / DAY_S - 0.5)
    latitude = math.radians(latitude_deg)
    height: NDArray[np.float64] = math.sin(latitude) * np.sin(declination) + math.cos(
        latitude
    ) * np.cos(declination) * np.cos(hour_angle)
    return height


def ornstein_uhlenbeck(
    rng: np.random.Generator, size: int, *, deviation: float, steps_to_forget: float
) -> NDArray[np.float64]:
    """Return float64 (size,), a process that wanders around 0 and forgets exponentially.

    Exact update (Gillespie 1996), so its deviation and memory do not depend on the step.
    """
    keep = math.exp(-1.0 / steps_to_forget)
    kicks = rng.standard_normal(size) * deviation
    kicks[1:] *= math.sqrt(1.0 - keep * keep)
    return _recur(keep, kicks)


def smooth(values: NDArray[np.float64], *, steps_to_forget: float) -> NDArray[np.float64]:
    """Return float64 (steps,), `values` through a first-order lag that begins at rest."""
    keep = math.exp(-1.0 / steps_to_forget)
    pushes = values * (1.0 - keep)
    pushes[0] = values[0]
    return _recur(keep, pushes)


def _recur(keep: float, pushes: NDArray[np.float64]) -> NDArray[np.float64]:
    values: Iterable[float] = pushes.tolist()
    return np.fromiter(accumulate(values, lambda before, push: keep * before + push), dtype=float)
