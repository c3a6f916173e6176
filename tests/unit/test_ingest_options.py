import pytest

from tankwatch.errors import UsageError
from tankwatch.ingest.options import FileOptions


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"columns": {"tonk": "x"}}, "use one of tank, timestamp, channel, value, pressure"),
        ({"units": {"flow": "bar"}}, "use one of pressure, temperature"),
        ({"units": {"pressure": "baar"}}, "channel pressure: 'baar' is not a unit of pressure"),
        ({"absolute": frozenset({"temperature"})}, "only a pressure can be absolute"),
        ({"time_zone": "Mars/Base"}, "use an IANA name"),
        ({"time_zone": ""}, "use an IANA name"),
        ({"epoch_unit": "h"}, "use auto, s, ms, us, ns"),
        ({"encoding": "utf-99"}, "is not an encoding"),
        ({"encoding": "rot13"}, "is not an encoding"),
        ({"default_tank": " "}, "has no name"),
        ({"chunk_rows": 0}, "at least one"),
    ],
)
def test_wrong_options_are_refused_with_the_remedy(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FileOptions(channels=("pressure", "temperature"), **wrong)  # type: ignore[arg-type]


def test_conversion_prefers_the_stated_unit() -> None:
    options = FileOptions(channels=("pressure", "flow"), units={"pressure": "bar"})
    assert options.conversion("pressure", "psi") == (100.0, 0.0)
    assert options.conversion("flow", "l/s") == (1.0, 0.0)
    kept = FileOptions(channels=("flow",), canonical={"flow": "kPa"})
    assert kept.conversion("flow", "bar") == (100.0, 0.0)
