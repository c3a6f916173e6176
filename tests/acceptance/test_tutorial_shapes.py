"""The page on shapes runs as it is written, and the shapes on it are those that come out."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "shapes.md"
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_SHAPE = re.compile(r"^(.+)\.shape  # -> (\(.+\))$", re.MULTILINE)


def test_the_page_on_shapes_runs_and_is_right() -> None:
    code = "\n".join(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    stated = _SHAPE.findall(code)
    assert len(stated) >= 20
    checked = _SHAPE.sub(r"assert tuple(\1.shape) == \2, (\1.shape, \2)", code)
    done = subprocess.run(
        [sys.executable, "-c", checked], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
