"""Stoker as it is here beside Stoker as it is elsewhere: a copy of each, and a Python that imports that copy."""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

from .peers import FOLDER, STOKER, Peer

ROOT = FOLDER.parents[1]
HERE = "this checkout"
# Where a checkout has its two packages.
_SOURCES = {"stoker": "producer", "stoker_workers": "workers"}
_TIMED = "import time; begun = time.process_time(); import stoker; print(time.process_time() - begun)"


def revision_or_folder(named: str) -> str:
    """A type of argument: a revision of this repository, or the folder of another checkout.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    if not _is_checkout(Path(named)) and _git("rev-parse", "--verify", "--quiet", f"{named}^{{commit}}").returncode:
        raise argparse.ArgumentTypeError(f"{named!r} is neither a revision of this repository nor a checkout's folder")
    return named


@dataclass(frozen=True)
class Checkout:
    """A Stoker to measure.

    Attributes:
        python: the interpreter that imports it, and the packages that are installed here.
    """

    python: Path

    @classmethod
    def copied(cls, named: str | Path, folder: Path) -> "Checkout":
        """Copy a checkout or a revision, so that both of a pair lie on one disk and none changes while it is measured.

        Raises:
            subprocess.CalledProcessError: the revision has no such packages.
        """
        folder.mkdir()
        if _is_checkout(Path(named)):
            for source in _SOURCES.values():
                shutil.copytree(Path(named) / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            packed = _git("archive", str(named), *_SOURCES.values())
            packed.check_returncode()
            subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        [packages] = folder.glob("venv/lib/python*/site-packages")
        # A folder that is named in such a file comes without those that its own files name: not with this checkout's.
        paths = [*(str(folder / source) for source in _SOURCES.values()), sysconfig.get_path("purelib")]
        (packages / "checkout.pth").write_text("\n".join(paths) + "\n")
        checkout = cls(folder / "venv" / "bin" / "python")
        for package, source in _SOURCES.items():
            imported = Path(checkout._run(f"import {package}; print({package}.__file__)"))
            if not imported.is_relative_to(folder / source):
                raise ImportError(f"{named} would be measured with the {package} of {imported.parent}")
        return checkout

    def environment(self) -> dict[str, str]:
        """What its processes find in their environment: none of them takes a package from where it is called."""
        # Where nothing may be compiled for good, each process would compile Stoker anew.
        return {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": ""}

    def import_s(self) -> float:
        """The processor's time that a fresh process takes to import the client: others' load is not in it."""
        return float(self._run(_TIMED))

    def _run(self, code: str) -> str:
        command = [str(self.python), "-c", code]
        environment = os.environ | self.environment()
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def pair(against: str, folder: Path) -> dict[Peer, Checkout]:
    """This checkout and the one to compare it with, in copies of their own."""
    named: dict[str, str | Path] = {HERE: ROOT, against: against}
    return {
        replace(STOKER, name=name): Checkout.copied(source, folder / f"checkout-{number}")
        for number, (name, source) in enumerate(named.items())
    }


def _is_checkout(folder: Path) -> bool:
    return all((folder / source / package).is_dir() for package, source in _SOURCES.items())


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=False, stdout=subprocess.PIPE)
