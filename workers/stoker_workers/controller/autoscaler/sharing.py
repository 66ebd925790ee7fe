"""How the slots of a fleet are shared out among its workers: pure functions."""

from collections.abc import Mapping, Sequence

from stoker.ledger.presence import Worker


def shares(workers: Sequence[Worker], slots: int, asked: Mapping[str, int]) -> dict[str, int]:
    """How many slots each worker shall have, by name, so that they have so many together.

    A live worker has at least one, and at most what it offers; whoever has the fewest grows first, and whoever has most
    idle ones shrinks first, so that few workers change.

    Args:
        asked: how many each worker that was asked is asked for now; others have what they have.
    """
    share = {worker.name: min(max(1, asked.get(worker.name, worker.slots)), worker.most_slots) for worker in workers}
    offered = {worker.name: worker.most_slots for worker in workers}
    busy = {worker.name: worker.busy for worker in workers}
    while sum(share.values()) < slots and (room := [name for name in share if share[name] < offered[name]]):
        share[min(room, key=lambda name: (share[name], name))] += 1
    while sum(share.values()) > slots and (spare := [name for name in share if share[name] > 1]):
        share[max(spare, key=lambda name: (share[name] - busy[name], share[name], name))] -= 1
    return share
