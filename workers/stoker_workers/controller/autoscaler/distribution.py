"""How the slots of a fleet are distributed among its workers: a pure function."""

from collections.abc import Mapping, Sequence

from stoker.ledger.presence import Worker


def distribute(workers: Sequence[Worker], slots: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """How many slots each worker shall have, by name, so that they have so many together.

    A live worker has at least one, and at most what it offers; whoever has the fewest grows first, and whoever has most
    idle ones shrinks first, so that few workers change.

    Args:
        wanted: how many some workers shall have by now; others keep what they have.
    """
    share = {worker.name: min(max(1, wanted.get(worker.name, worker.slots)), worker.most_slots) for worker in workers}
    offered = {worker.name: worker.most_slots for worker in workers}
    busy = {worker.name: worker.busy for worker in workers}
    while sum(share.values()) < slots and (room := [name for name in share if share[name] < offered[name]]):
        share[min(room, key=lambda name: (share[name], name))] += 1
    while sum(share.values()) > slots and (spare := [name for name in share if share[name] > 1]):
        share[max(spare, key=lambda name: (share[name] - busy[name], share[name], name))] -= 1
    return share
