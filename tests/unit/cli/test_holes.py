"""Versions of Redis and Valkey with known holes."""

import pytest

from stoker.cli.doctor.holes import known_holes


@pytest.mark.parametrize(
    ("version", "named", "fixed"),
    [
        ("Redis 6.2.19", "CVE-2025-49844", {"6.2.20"}),
        ("Redis 7.0.15", "CVE-2025-49844", {"7.2.11"}),
        ("Redis 7.4.5", "CVE-2025-46818", {"7.4.6"}),
        ("Redis 8.2.1", "CVE-2025-49844", {"8.2.2"}),
        ("Redis 8.6.2", "CVE-2026-23479", {"8.6.3"}),
        ("Valkey 8.1.3", "CVE-2025-49844", {"8.1.4", "8.1.7"}),
        ("Valkey 8.1.4", "CVE-2026-23479", {"8.1.7"}),
        ("Valkey 9.1.0", "CVE-2026-56684", {"9.1.1"}),
        ("Valkey 8.0.9", "CVE-2026-63639", {"8.0.10"}),
    ],
)
def test_a_version_with_known_holes_is_named_with_what_mends_it(version: str, named: str, fixed: set[str]) -> None:
    holes = known_holes(version)
    assert named in {name for hole in holes for name in hole.names}
    assert {hole.fixed for hole in holes} == fixed


@pytest.mark.parametrize(
    "version",
    ["Redis 6.2.20", "Redis 8.6.3", "Redis 9.0.0", "Valkey 9.1.1", "Valkey 9.1.2", "Valkey 10.0.0", "Other 1.0"],
)
def test_a_version_without_is_well(version: str) -> None:
    assert known_holes(version) == []
