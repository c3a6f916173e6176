"""A forecast in words."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from tankwatch.core.times import from_ms, human_duration
from tankwatch.notify import wording
from tankwatch.notify.ahead import time_span
from tankwatch.scoring.forecast import Forecast, LimitAhead

_LIKELY = 0.5


def limit_sentence(limit: LimitAhead, found: Forecast) -> str:
    """Return when a limit is reached: ``Pressure reaches its high limit of 2 kPa in ...``."""
    name = _begun(wording.channel_label(limit.channel))
    edge = f"its {limit.side} limit of {wording.quantity(limit.limit, limit.unit)}"
    when, sure = limit.when, wording.percent(limit.when.share)
    if limit.is_passed:
        return f"{name} is beyond {edge}."
    if when.share < _LIKELY or when.earliest is None or when.latest is None:
        horizon = human_duration(found.steps * found.step_s)
        return f"{name} is not expected to reach {edge} within {horizon} ({sure})."
    left = time_span(when.earliest * found.step_s, when.latest * found.step_s)
    return f"{name} reaches {edge} in {left} ({sure})."


def basis_sentence(found: Forecast, zone: ZoneInfo) -> str:
    """Return what a forecast goes by, from when it counts, and what it leaves out.

    Args:
        found: the forecast.
        zone: in which the time is told.
    """
    own = [name for name, trended in zip(found.channels, found.by_trend, strict=True) if trended]
    begun = wording.date_time(from_ms(found.from_ms), zone)
    told = f"As model version {found.model_version_id} expects it, counted from {begun}: "
    if own:
        told = (
            f"{_begun(_listed(own))} {_are(own)} beyond what this tank usually reaches, so the "
            f"trend is carried on, counted from {begun}: "
        )
    told += "nine cases in ten stay within the band."
    left_out = found.untrusted
    if not left_out:
        return told
    whose = "its sensor is" if len(left_out) == 1 else "their sensors are"
    return (
        f"{told} {_begun(_listed(left_out))} {_are(left_out)} left out: {whose} not to be believed."
    )


def _listed(channels: Sequence[str]) -> str:
    names = [wording.channel_label(name) for name in channels]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _begun(text: str) -> str:
    """Return `text` as a sentence begins; ``pH`` and ``H2S`` stay as they are."""
    first = text.partition(" ")[0].rstrip(",")
    return text[0].upper() + text[1:] if first.islower() else text
