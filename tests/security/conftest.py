"""What these tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .parties import Parties


@pytest.fixture
def parties(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parties]:
    """A client, a worker and a controller with keys."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    parties = Parties(tmp_path, redis_url)
    yield parties
    parties.close()
