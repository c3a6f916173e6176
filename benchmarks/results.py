"""Where benchmarks put what they measured: benchmarks/results.json, a line each."""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "results.json"


def record(
    name: str,
    value: float | None,
    unit: str,
    *,
    against: str,
    other: float | None,
    target: float | None = None,
    most: float | None = None,
) -> dict[str, Any]:
    """Store a figure beside the alternative of the same run, and return what was stored.

    The target is a ratio that is to be reached, or, for a time, the `most` that it may take.
    """
    ratio = value / other if value is not None and other else None
    ok = None if target is None or ratio is None else ratio >= target
    if most is not None and value is not None:
        target, ok = most, value <= most
    row = {
        "name": name,
        "value": value,
        "unit": unit,
        "against": against,
        "other": other,
        "ratio": None if ratio is None else round(ratio, 3),
        "target": target,
        "ok": ok,
    }
    rows = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    rows = [known for known in rows if known["name"] != name] + [row]
    FILE.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(row))
    return row
