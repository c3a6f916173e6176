"""Times at borders are aware UTC datetimes; inside arrays they are int64 epoch milliseconds."""

from datetime import UTC, datetime, timedelta

from tankwatch.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Return `moment` as epoch milliseconds, rounded down; a naive time is refused."""
    if moment.tzinfo is None:
        message = f"the time {moment.isoformat()} has no zone: add one, for instance +00:00"
        raise UsageError(message)
    return (moment - EPOCH) // _MILLISECOND


def from_ms(epoch_ms: int) -> datetime:
    """Return epoch milliseconds as an aware UTC datetime."""
    return EPOCH + epoch_ms * _MILLISECOND


def iso(moment: datetime) -> str:
    """Return `moment` as ISO 8601 in UTC, for instance ``2026-03-02T06:30:00Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return text.replace(".000Z", "Z")


def parse_time(text: str) -> datetime:
    """Return the aware UTC datetime that ISO 8601 `text` means; without a zone it means UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a time: write ISO 8601, for instance 2026-03-02T06:30:00Z"
        raise UsageError(message) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def human_duration(seconds: float) -> str:
    """Return `seconds` as people say it: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"
