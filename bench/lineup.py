"""All systems of a benchmark, up at once, so that each has its turn in every round of one run."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

from stoker.origins import variable
from stoker.settings import Settings

from . import verdicts
from .checkouts import Checkout, pair
from .figures import summary, write
from .options import Options
from .peers import STOKER, Peer
from .processes import listening, own_s, paused, spent_s
from .running import CallerFailed, Callers, running, running_stoker
from .venvs import versions

Case = dict[str, Any]
_SLOTS = 2
# Times that fresh processes import Stoker, in each round.
_IMPORTS = 2
# The processor's time is not counted more finely.
_TICK_S = 0.01


class Lineup:
    """Starts the systems, gives them their turns and keeps their figures.

    A reference that cannot be installed, does not come up or fails is left out from then on, and the figures say why.

    Args:
        names: the models to train.
        serve_models: whether the references serve them, too.
        serving: whether anything runs the jobs.
        settings: Stoker's, besides the ones that every benchmark sets.

    Attributes:
        folder: for the length of the with block.
        models: the folder with the models of this checkout's Stoker.
        settings: of that Stoker.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        names: Sequence[str],
        *,
        serve_models: bool = False,
        serving: bool = True,
        **settings: Any,
    ) -> None:
        self.options = options
        self._name = name
        self._names = names
        self._serve_models = serve_models
        self._serving = serving
        self._own_settings = {"slots": _SLOTS, **settings}
        self._stack = ExitStack()
        self._turn = ExitStack()
        self._checkouts = {STOKER: Checkout(Path(sys.executable))}
        self._peers = options.peers
        self._up: dict[Peer, Callers] = {}
        self._roots: dict[Peer, set[psutil.Process]] = {}
        self._left_out: dict[str, str] = {}
        self._rounds: dict[tuple[str, str], tuple[Case, list[dict[str, Any]]]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stoker-bench-")))
            home = self.folder / STOKER.name
            self.models = home / "models"
            self.settings = Settings(home=home, **self._own_settings)
            if self.options.against:
                self._checkouts = pair(self.options.against, self.folder)
                self._peers = tuple(self._checkouts)
            for peer in (*self._checkouts, *(peer for peer in self._peers if not peer.is_stoker)):
                before = set(psutil.Process().children())
                self._start(peer, stack)
                self._roots[peer] = set(psutil.Process().children()) - before
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # What is still paused could not end.
        self._turn.close()
        self._stack.close()

    def turns(self) -> Iterator[Peer]:
        """Each system in turn, in every round; the other way round in every second, so that each is first as often."""
        for number in range(1, self.options.rounds + 1):
            peers = self._peers if number % 2 else self._peers[::-1]
            if self.options.against:
                self._time_imports(peers)
            for peer in peers:
                if peer in self._up:
                    print(f"round {number}: {peer.name}", flush=True)
                    others = [root for other, roots in self._roots.items() if other is not peer for root in roots]
                    with self._turn:
                        self._turn.enter_context(paused(others))
                        yield peer

    def callers(self, peer: Peer) -> Callers:
        """A system's callers."""
        return self._up[peer]

    def ways(self, peer: Peer, to: str) -> list[str]:
        """The ways that a system has "to" do what can be done in several: "many" or "submit"."""
        ways: list[str] = self._up[peer].measure("ways")[to] if peer in self._up else []
        return ways

    def measure(self, peer: Peer, case: Case, what: str, **arguments: Any) -> None:
        """Let a system's callers take a measurement, and put it to those of this case in the rounds before."""
        if peer not in self._up:
            return
        try:
            callers = self._up[peer]
            servers = listening(self._roots[peer], urlsplit(callers.url).port or 0) if peer.listens else []
            before_s, own_before_s = spent_s(self._roots[peer]), own_s(servers)
            figures = callers.measure(what, **arguments)
        except CallerFailed as error:
            self._leave_out(peer, error)
        else:
            took_s = max(spent_s(self._roots[peer]) - before_s, _TICK_S)
            more = {"per_cpu_s": figures["calls"] / took_s}
            if servers and figures["calls"]:
                more["server_us"] = (own_s(servers) - own_before_s) / figures["calls"] * 1e6
            self.keep(peer.name, case, figures | more)

    def keep(self, name: str, case: Case, figures: dict[str, Any]) -> None:
        """Put figures to those of this case in the rounds before."""
        print(f"  {case}: {figures}", flush=True)
        _, rounds = self._rounds.setdefault((name, repr(case)), (case, []))
        rounds.append(figures)

    def write(self, **more: Any) -> None:
        """Write everything down."""
        peers = [peer for peer in self._peers if peer.name not in self._left_out]
        cases = [
            {"system": name, **case, **summary(rounds), "rounds": rounds}
            for (name, _), (case, rounds) in self._rounds.items()
        ]
        report = {
            "options": {key: value for key, value in asdict(self.options).items() if key in ("rounds", "seconds")},
            "cores_used": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load_at_the_end": os.getloadavg()[0],
            "systems": {peer.name: {"settings": peer.settings, "versions": versions(peer.folder)} for peer in peers},
            "left_out": self._left_out,
            "cases": cases,
        }
        write(self._name, report | more, self.options.results)
        if self.options.against:
            here, there = self._peers
            print(verdicts.told(cases, here.name, there.name))

    def _time_imports(self, peers: Sequence[Peer]) -> None:
        took_s: dict[Peer, list[float]] = {peer: [] for peer in peers}
        for _ in range(_IMPORTS):
            for peer in peers:
                took_s[peer].append(self._checkouts[peer].import_s())
        for peer in peers:
            self.keep(peer.name, {"what": "import stoker"}, {"per_cpu_s": 1 / statistics.median(took_s[peer])})

    def _start(self, peer: Peer, stack: ExitStack) -> None:
        print(f"starting {peer.name}", flush=True)
        folder = self.folder / re.sub(r"\W+", "-", peer.name)
        try:
            if peer.is_stoker:
                settings = {variable(name): str(value) for name, value in self._own_settings.items()}
                system = running_stoker(
                    peer, self._checkouts[peer], folder, self._names, settings, serving=self._serving
                )
            else:
                served = self.models if self._serve_models else None
                system = running(peer, folder, served, serving=self._serving)
            self._up[peer] = stack.enter_context(system)
        except (CallerFailed, subprocess.CalledProcessError) as error:
            self._leave_out(peer, error)

    def _leave_out(self, peer: Peer, error: Exception) -> None:
        if peer.is_stoker:
            # The others have its models, or it is what they are compared with.
            raise error
        self._up.pop(peer, None)
        self._left_out[peer.name] = str(error)
        print(f"{peer.name} is left out: {error}", flush=True)
