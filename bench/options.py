"""What every comparison can be told on the command line."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from .checkouts import revision_or_folder
from .figures import RESULTS
from .peers import Peer, peers_of

# What can compare two checkouts.
_OF_CHECKOUTS = ("inference", "submit", "noop")
# On a busy machine many short rounds tell more than few long ones.
_ROUNDS_AGAINST, _SECONDS_AGAINST = 30, 0.25


@dataclass(frozen=True)
class Options:
    """How to take measurements.

    Attributes:
        rounds: how often each system has its turn.
        seconds: how long callers call, each time.
        peers: the systems, in the order of their turns.
        against: the revision or folder whose Stoker is measured beside ours, instead of the references.
        quick: whether only to see if it works: one short round of the main cases.
        results: the folder to write to; None for a new one.
        minutes: how long to soak.
    """

    rounds: int
    seconds: float
    peers: tuple[Peer, ...]
    against: str | None
    quick: bool
    results: Path | None
    minutes: float


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
    beside = parser.add_mutually_exclusive_group()
    beside.add_argument("--peers", nargs="+", choices=known, default=list(known), metavar="NAME", help=", ".join(known))
    if name in _OF_CHECKOUTS:
        text = f"compare with Stoker of another revision or folder ({_ROUNDS_AGAINST} rounds of {_SECONDS_AGAINST:g} s)"
        beside.add_argument("--against", type=revision_or_folder, metavar="REVISION", help=text)
    parser.set_defaults(against=None)
    parser.add_argument("--cores", type=int, default=2, help="cores for everything together (default 2)")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--results", type=Path, help="folder for the figures (default bench/results, or a new one)")
    given = parser.parse_args()
    _keep_to(given.cores)
    if given.against:
        rounds, seconds = _ROUNDS_AGAINST, _SECONDS_AGAINST
    for_the_page = not given.quick and not given.against
    return Options(
        rounds=given.rounds or (1 if given.quick else rounds),
        seconds=given.seconds or (0.5 if given.quick else seconds),
        peers=tuple(known[name] for name in given.peers),
        against=given.against,
        quick=given.quick,
        results=given.results or (RESULTS if for_the_page else None),
        minutes=0.05 if given.quick else given.minutes,
    )


def _keep_to(cores: int) -> None:
    """Let this process and all its children run on so many cores; where the system cannot, on all."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
