"""What every comparison can be told on the command line."""

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .figures import RESULTS
from .peers import STOKER, Peer, peers_of


@dataclass(frozen=True)
class Options:
    """How to take measurements.

    Attributes:
        rounds: how often each system has its turn.
        seconds: how long callers call, each time.
        peers: the systems, in the order of their turns.
        quick: whether only to see if it works: one short round of the main cases.
        results: the folder to write to.
        minutes: how long to soak.
    """

    rounds: int
    seconds: float
    peers: tuple[Peer, ...]
    quick: bool
    results: Path
    minutes: float

    @property
    def references(self) -> tuple[Peer, ...]:
        """The systems other than Stoker."""
        return tuple(peer for peer in self.peers if peer is not STOKER)


def parse(name: str, description: str, *, rounds: int = 3, seconds: float = 3.0, minutes: float = 1.0) -> Options:
    """Read the command line of one benchmark, and keep to the cores that it allows.

    Args:
        rounds, seconds, minutes: the defaults.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {peer.name: peer for peer in peers_of(name)}
    parser.add_argument("--rounds", type=int, help=f"turns of each system (default {rounds})")
    parser.add_argument("--seconds", type=float, help=f"length of one measurement (default {seconds:g})")
    parser.add_argument("--minutes", type=float, default=minutes, help="length of the soak (default %(default)g)")
    parser.add_argument("--peers", nargs="+", choices=known, default=list(known), metavar="NAME", help=", ".join(known))
    parser.add_argument("--cores", type=int, default=2, help="cores for everything together (default 2)")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--results", type=Path, help="folder for the figures (default bench/results, or a new one)")
    given = parser.parse_args()
    _keep_to(given.cores)
    return Options(
        rounds=given.rounds or (1 if given.quick else rounds),
        seconds=given.seconds or (0.5 if given.quick else seconds),
        peers=tuple(known[name] for name in given.peers),
        quick=given.quick,
        # Figures of a quick run are none to keep.
        results=given.results or (Path(tempfile.mkdtemp(prefix="stoker-bench-")) if given.quick else RESULTS),
        minutes=0.05 if given.quick else given.minutes,
    )


def _keep_to(cores: int) -> None:
    """Let this process and all its children run on so many cores; where the system cannot, on all."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
