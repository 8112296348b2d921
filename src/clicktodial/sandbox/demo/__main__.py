"""`python -m clicktodial.sandbox.demo`."""

import argparse
import sys
from pathlib import Path

from clicktodial.sandbox.demo.run import DEFAULT_DIRECTORY, run_demo


def main() -> int:
    """Read the arguments and give the demonstration."""
    parser = argparse.ArgumentParser(prog="clicktodial demo", description=run_demo.__doc__)
    parser.add_argument("--output", type=Path, default=DEFAULT_DIRECTORY, metavar="DIR")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=None)
    arguments = parser.parse_args()
    return run_demo(arguments.output, keep=arguments.keep)


if __name__ == "__main__":
    sys.exit(main())
