"""`tankwatch forecast` on the sample farm, as a user runs it."""

from pathlib import Path

from tests.acceptance.program import run, run_json

SAMPLE = Path(__file__).parents[2] / "sample_data"


def test_the_next_steps_and_the_limits_are_told(tmp_path: Path) -> None:
    run(tmp_path, "init")
    refused = run(tmp_path, "forecast", "TK-101", code=2)
    assert "`tankwatch tanks` lists them" in refused.stderr
    first = sorted(SAMPLE.glob("*.csv*"))
    readings = [str(path) for path in first if not path.name.startswith("labels")]
    run(tmp_path, "ingest", *readings)
    untrained = run(tmp_path, "forecast", "TK-101", code=1)
    assert "train `fused` or `forecaster`" in untrained.stderr
    run(tmp_path, "train")
    told = run_json(tmp_path, "forecast", "TK-101", "--steps", "30")
    assert len(told["times"]) == len(told["low"]) == 30
    assert all(
        low < middle < high
        for low, middle, high in zip(
            told["low"][5], told["median"][5], told["high"][5], strict=True
        )
    )
    text = run(tmp_path, "forecast", "TK-101", "--steps", "30").stdout
    assert "5 % to 95 %" in text
