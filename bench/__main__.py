"""`python -m bench NAME …`: run a benchmark, or all of them without a name."""

import sys

from . import train

BENCHMARKS = {"train": train.main}


def main() -> None:
    """Run what is named; each benchmark's own arguments follow its name."""
    name, *arguments = sys.argv[1:] or [""]
    if name and name not in BENCHMARKS:
        sys.exit(f"there is no benchmark {name!r}: expected one of {', '.join(BENCHMARKS)}")
    for chosen in [name] if name else BENCHMARKS:
        sys.argv = [f"bench {chosen}", *arguments]
        BENCHMARKS[chosen]()


main()
