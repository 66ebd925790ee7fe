"""`python -m bench NAME …`: run one benchmark; without a name, all of them and the report; `--quick`, all in short.

`--check` measures in short what must not get worse.
"""

import importlib
import signal
import sys

COMPARISONS = (
    "inference",
    "gateway",
    "submit",
    "noop",
    "bulk",
    "queue_depth",
    "records",
    "memory",
    "tables",
    "signing",
    "secured",
)
EVERYTHING = (*COMPARISONS, "encryption", "train", "tune", "scale", "elsewhere", "report")


def main() -> None:
    """Run what is named; each benchmark's own arguments follow its name."""
    # So that SIGTERM, like Ctrl-C, ends the systems that run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    match sys.argv[1:]:
        case []:
            for name in EVERYTHING:
                run(name)
        case ["--quick"]:
            for name in COMPARISONS:
                run(name, "--quick")
        case ["--check", *arguments]:
            run("check", *arguments)
        case [name, *arguments] if name in EVERYTHING:
            run(name, *arguments)
        case [name, *_]:
            sys.exit(f"there is no benchmark {name!r}: expected one of {', '.join(EVERYTHING)}, or none for all")


def run(name: str, *arguments: str) -> None:
    """Run one of this package's modules as if it had been called alone."""
    sys.argv = [f"bench {name}", *arguments]
    importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
