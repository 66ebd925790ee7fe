"""Checks of the processes that run jobs, and of the queues that they serve."""

from .check import Check, Finding, System, fail, listed, ok


def _controller(system: System) -> Finding:
    if system.health.leader is None:
        return fail("none leads, so that lost and waiting jobs stay where they are: run `stoker controller`")
    return ok(f"{system.health.leader} leads")


def _workers(system: System) -> Finding:
    if not system.devices:
        return fail("none is running, so that no job is: run `stoker worker`")
    return ok(listed(system.devices), system.devices)


def _queues(system: System) -> Finding:
    queues = system.health.queues
    numbers = {queue.queue: max(queue.messages, queue.jobs) for queue in queues}
    waiting = {queue: count for queue, count in numbers.items() if count}
    blocked = [name for queue in queues for name in queue.blocked_by]
    if blocked:
        return fail(f"no list lies under {', '.join(map(repr, blocked))}: a worker takes it away, or DEL it", numbers)
    if unserved := sorted({queue.partition(".")[0] for queue in waiting} - set(system.devices)):
        return fail(
            f"{listed(waiting)} wait, but no {' or '.join(unserved)} worker is running: "
            f"run `stoker worker --device {unserved[0]}`",
            numbers,
        )
    told = f"{listed(waiting)} wait" if waiting else "empty"
    if over_quota := sum(queue.over_quota for queue in queues):
        told += f", {over_quota} of them because their tenants have as many running as they may"
    return ok(told, numbers)


CHECKS = (
    Check("controller", _controller),
    Check("workers", _workers),
    Check("queues", _queues),
)
