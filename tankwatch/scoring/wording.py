"""A forecast in words."""

from tankwatch.core.times import human_duration
from tankwatch.notify import wording
from tankwatch.notify.ahead import time_span
from tankwatch.scoring.forecast import Forecast, LimitAhead

_LIKELY = 0.5


def limit_sentence(limit: LimitAhead, found: Forecast) -> str:
    """Return when a limit is reached: ``Pressure reaches its high limit of 2 kPa in ...``."""
    name = wording.channel_label(limit.channel).capitalize()
    edge = f"its {limit.side} limit of {wording.quantity(limit.limit, limit.unit)}"
    when, sure = limit.when, wording.percent(limit.when.share)
    if limit.is_passed:
        return f"{name} is beyond {edge}."
    if when.share < _LIKELY or when.earliest is None or when.latest is None:
        horizon = human_duration(found.steps * found.step_s)
        return f"{name} is not expected to reach {edge} within {horizon} ({sure})."
    left = time_span(when.earliest * found.step_s, when.latest * found.step_s)
    return f"{name} reaches {edge} in {left} ({sure})."


def basis_sentence(found: Forecast) -> str:
    """Return what a forecast goes by."""
    own = [
        wording.channel_label(name)
        for name, is_trend in zip(found.channels, found.by_trend, strict=True)
        if is_trend
    ]
    version = f"model version {found.model_version_id}"
    if not own:
        return f"As {version} expects it: nine paths in ten stay within the band."
    verb = "is" if len(own) == 1 else "are"
    return (
        f"{' and '.join(own).capitalize()} {verb} beyond what this tank usually reaches, so the "
        f"trend is carried on; nine cases in ten stay within the band."
    )
