"""Which faults are found: own farms, SKAB, Tennessee Eastman and NAB, with PyOD in the same run.

Public data is looked for in the folder that TANKWATCH_DATA names, else in ../shared/data; what is
not there is left out, and so is PyOD where it is not installed (extra ``bench``).
"""

import argparse
import logging
import os
import time
from pathlib import Path

import structlog
from detection_farm import SEEDS, farm
from detection_files import Contest
from detection_public import nab, skab
from detection_tep import tep

from tankwatch.detectors.catalogue import DETECTORS
from tankwatch.settings import Settings

ROOT = Path(__file__).parents[1]
# Settings are read from the environment too, and this is none of them.
DATA = Path(os.environ.pop("TANKWATCH_DATA", str(ROOT.parent / "shared" / "data")))
PUBLIC = {"skab": skab, "tep": tep, "nab": nab}


def main() -> None:
    """Run the parts that are asked for, and print their tables."""
    asked = _asked()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = Settings()
    names = [name for name in asked.detectors.split(",") if name] or [settings.detect.detector]
    unknown = [name for name in names if name not in DETECTORS]
    if unknown:
        raise SystemExit(f"no detector {unknown[0]!r}: choose of {', '.join(DETECTORS)}")
    contest = Contest(settings, names[0], tuple(names[1:]))
    for part in [asked.only] if asked.only else ["farm", *PUBLIC]:
        began = time.monotonic()
        if part == "farm":
            farm(contest, [int(seed) for seed in asked.seeds.split(",")])
        elif (DATA / part).exists():
            PUBLIC[part](contest, DATA)
        else:
            print(f"{part}: no data in {DATA / part}, left out")
        print(f"{part} took {time.monotonic() - began:.0f} s", flush=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["farm", *PUBLIC], help="run one part")
    parser.add_argument(
        "--detectors",
        default="",
        help="the one to judge and others beside it, a,b (default: the settings'); the cheap "
        "baselines always take part",
    )
    seeds = ",".join(map(str, SEEDS))
    parser.add_argument("--seeds", default=seeds, help=f"of the own farms (default: {seeds})")
    return parser.parse_args()


if __name__ == "__main__":
    main()
