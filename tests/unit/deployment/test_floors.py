"""No dependency that Stoker allows, or that it is tested with, is older than the release that mended a known hole."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_ROOT = Path(__file__).parents[3]
# The first release without it, by package, from the advisories; the newest hole of each that concerns a release in use.
MENDED = {
    "aiohttp": ("3.12.14", "CVE-2025-53643"),
    "celery": ("5.2.2", "CVE-2021-23727"),
    "certifi": ("2024.7.4", "CVE-2024-39689"),
    "cryptography": ("44.0.1", "CVE-2024-12797"),
    "filelock": ("3.20.1", "CVE-2025-68146"),
    "flask-cors": ("6.0.0", "CVE-2024-6866"),
    "flower": ("1.2.0", "CVE-2022-30034"),
    "fonttools": ("4.60.2", "CVE-2025-66034"),
    "h11": ("0.16.0", "CVE-2025-43859"),
    "idna": ("3.7", "CVE-2024-3651"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "keras": ("3.13.2", "CVE-2026-1462, CVE-2026-1669"),
    "numpy": ("1.22.0", "CVE-2021-41496"),
    "onnx": ("1.21.0", "CVE-2026-27489, CVE-2026-34446, CVE-2026-34447"),
    "pillow": ("11.3.0", "CVE-2025-48379"),
    "protobuf": ("5.29.5", "CVE-2025-4565"),
    "pyarrow": ("14.0.1", "CVE-2023-47248"),
    "pydantic": ("2.4.0", "CVE-2024-3772"),
    "python-multipart": ("0.0.18", "CVE-2024-53981"),
    "pyyaml": ("5.4", "CVE-2020-14343"),
    "redis": ("4.5.4", "CVE-2023-28859"),
    "requests": ("2.32.4", "CVE-2024-47081"),
    "scikit-learn": ("1.5.0", "CVE-2024-5206"),
    "setuptools": ("78.1.1", "CVE-2025-47273"),
    "starlette": ("0.49.1", "CVE-2025-62727"),
    "tornado": ("6.5", "CVE-2025-47287"),
    "urllib3": ("2.6.0", "CVE-2025-66418"),
    "werkzeug": ("3.0.6", "CVE-2024-49767"),
}


def pinned() -> dict[str, Version]:
    lines = re.findall(r"^([\w.\[\]-]+)==([\w.]+)", (_ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(name.split("[")[0]): Version(version) for name, version in lines}


def floors() -> dict[str, set[Version]]:
    """The oldest version that is allowed, by package; of each place that names it."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, set[Version]] = {}
    for text in (
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ):
        requirement = Requirement(text)
        lowest = {Version(one.version) for one in requirement.specifier if one.operator in (">=", "==", "~=")}
        found.setdefault(canonicalize_name(requirement.name), set()).update(lowest)
    return found


@pytest.mark.parametrize("package", MENDED)
def test_no_version_with_a_known_hole_is_allowed_or_used(package: str) -> None:
    mended, names = MENDED[package]
    used, allowed = pinned().get(package), floors().get(package, set())
    assert used or allowed, f"{package} is no dependency any more: take it out of the table"
    assert used is None or used >= Version(mended), f"constraints.txt: {package} {used} has {names}, mended in {mended}"
    for floor in allowed:
        assert floor >= Version(mended), f"pyproject.toml: {package}>={floor} has {names}, mended in {mended}"
