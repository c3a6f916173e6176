"""The command line: the one place that wires everything together."""

import sys

from tankwatch.cli.app import load_commands
from tankwatch.cli.common import print_error
from tankwatch.errors import TankwatchError, UsageError

FAILED, WRONG_USE, STOPPED = 1, 2, 130


def main() -> None:
    """Run the command line; exit with 0 for done, 1 for failed, 2 for wrong use."""
    try:
        load_commands(sys.argv[1:])()
    except UsageError as error:
        print_error(error)
        sys.exit(WRONG_USE)
    except TankwatchError as error:
        print_error(error)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        print_error("stopped; everything accepted so far is stored")
        sys.exit(STOPPED)
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does; there is nobody left to tell.
        sys.stderr.close()
        sys.exit(FAILED)
