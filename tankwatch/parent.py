"""A process that is of no use without the one that started it."""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process if `parent`, which started it, dies in any way (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        # The parent may have died before the line above; it may also rightly be process 1.
        if os.getppid() != parent:
            sys.exit(1)
