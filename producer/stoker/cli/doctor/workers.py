"""Checks of the processes that run jobs, and of the queues that they serve."""

from collections import Counter

from ...ledger import duty_runs, monitoring
from ...outages import Dependency
from .check import Check, Finding, System, fail, listed, ok, warn

# Longer than any duty of the controller takes or pauses.
_HANGS_S = 1800


def _controller(system: System) -> Finding:
    if system.health.leader is None:
        return fail("none leads, so that lost and waiting jobs stay where they are: run `stoker controller`")
    return ok(f"{system.health.leader} leads")


def _duties(system: System) -> Finding:
    duties = system.connection.run(duty_runs.duties())
    numbers = {duty.name: duty.failures for duty in duties if duty.failures}
    failing = [
        f"{duty.name!r} has failed since {duty.failing_since:%Y-%m-%d %H:%M:%S} UTC: {duty.failure}"
        for duty in duties
        if duty.failing_since
    ]
    hanging = [f"{duty.name!r} has not run for {duty.idle_s:.0f} s" for duty in duties if duty.idle_s > _HANGS_S]
    if system.health.leader is None:
        return warn("done by nobody, because no controller leads", numbers)
    if failing or hanging:
        return fail(f"{'; '.join(failing + hanging)}; the controller's log tells more, its other duties go on", numbers)
    return ok(f"all {len(duties)} of the controller are done", numbers)


def _workers(system: System) -> Finding:
    if not system.devices:
        return fail("none is running, so that no job is: run `stoker worker`")
    return ok(listed(system.devices), system.devices)


def _gpus(system: System) -> Finding:
    workers = system.workers
    idle = {}
    for node in sorted({worker.node for worker in workers}):
        of_node = [worker for worker in workers if worker.node == node]
        expected = max(worker.node_gpus for worker in of_node)
        if missing := expected - sum(worker.device == "gpu" for worker in of_node):
            idle[node] = missing
    if idle:
        return fail(
            f"without a worker: {listed(idle)}; the log of `stoker worker` there says why, and jobs go elsewhere",
            idle,
        )
    return ok("each that a node has found has its worker")


def _outages(system: System) -> Finding:
    outages = [(outage, worker.node) for worker in system.workers for outage in worker.outages]
    if not outages:
        return ok("the workers miss nothing that jobs need")
    sentences = [
        f"{outage.of} away since {outage.since:%Y-%m-%d %H:%M:%S} UTC for node {node}: {outage.reason}"
        for outage, node in outages
    ]
    reasons, numbers = "; ".join(dict.fromkeys(sentences)), Counter(outage.of for outage, _ in outages)
    if set(numbers) == {Dependency.RESULTS}:
        return warn(f"{reasons}; jobs run meanwhile", numbers)
    return fail(f"{reasons}; jobs wait for its end and lose nothing, `stoker cancel` ends one", numbers)


def _needs(system: System) -> Finding:
    unmet = system.connection.run(monitoring.unmet())
    numbers = Counter[str]()
    for each in unmet:
        numbers[each.queue] += each.jobs
    missing = [f"{each.jobs} on {each.queue}: no live worker {each.needs}" for each in unmet if not each.workers]
    if missing:
        return warn(
            f"jobs wait for a worker: {'; '.join(missing)}. Start one that does (docs/environments.md), or "
            "`stoker cancel` them",
            numbers,
        )
    busy = [f"{each.jobs} on {each.queue} for one that {each.needs}" for each in unmet]
    return ok(f"jobs wait until a worker is free: {'; '.join(busy)}" if busy else "no job lacks a worker", numbers)


def _imports(system: System) -> Finding:
    lacking = {worker.node: "; ".join(worker.unconfined) for worker in system.workers if worker.unconfined}
    if not lacking:
        return ok("models made elsewhere are opened without a network, and write nothing but their own files")
    nodes = "; ".join(f"node {node} lacks {what}" for node, what in sorted(lacking.items()))
    return warn(f"models made elsewhere are opened less confined than they could be: {nodes} (docs/import.md)")


def _queues(system: System) -> Finding:
    queues = system.health.queues
    numbers = {queue.queue: max(queue.messages, queue.jobs) for queue in queues}
    waiting = {queue: count for queue, count in numbers.items() if count}
    held = {queue.queue for queue in queues if queue.jobs and queue.jobs == queue.paused}
    blocked = [name for queue in queues for name in queue.blocked_by]
    if blocked:
        return fail(f"no list lies under {', '.join(map(repr, blocked))}: a worker takes it away, or DEL it", numbers)
    if unserved := sorted({queue.partition(".")[0] for queue in waiting.keys() - held} - set(system.devices)):
        return fail(
            f"{listed(waiting)} wait, but no {' or '.join(unserved)} worker is running: "
            f"run `stoker worker --device {unserved[0]}`",
            numbers,
        )
    message = f"{listed(waiting)} wait" if waiting else "empty"
    if paused := sum(queue.paused for queue in queues):
        message += f", {paused} of them because their queue or tenant is paused"
    if over_quota := sum(queue.over_quota for queue in queues):
        message += f", {over_quota} of them because their tenants have as many running as they may"
    return ok(message, numbers)


CHECKS = (
    Check("controller", _controller),
    Check("duties", _duties),
    Check("workers", _workers),
    Check("GPUs", _gpus),
    Check("outages", _outages),
    Check("queues", _queues),
    Check("needs", _needs),
    Check("imports", _imports),
)
