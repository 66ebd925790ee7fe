"""How many messages a worker may have in hand."""

from types import SimpleNamespace

import pytest

from stoker_workers.worker import pool


@pytest.mark.parametrize(
    ("in_hand", "most"),
    [
        ([], 2),
        (["train", "infer"], 2),
        (["train", "deploy"], 3),
        (["deploy", "deploy"], 4),
        (["deploy", "deploy", "deploy", "deploy"], 4),
    ],
)
def test_only_brief_jobs_let_a_worker_have_more_messages_than_slots(
    in_hand: list[str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [SimpleNamespace(name=f"stoker.{kind}") for kind in in_hand]
    monkeypatch.setattr(pool, "reserved_requests", requests)
    assert pool.SlotPool(2).num_processes == most
