"""Fleets: their load, their workers, and why they are as large as they are."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from ... import Worker
from ...client.fleets import FleetStatus
from ...errors import InvalidArgument
from ...fleet.bounds import Bounds
from ...fleet.topology import DEVICES, WorkDevice
from ...terminal.amounts import duration, size_text
from ...terminal.html import Html, tag
from ..routes import Client, needs
from .forms import choice, field, sent
from .page import ROOT, back_to, console_router, listed, may, page, section
from .words import moment

ROUTES = console_router()


@ROUTES.get("/fleets", openapi_extra=needs("read"))
async def fleets(request: Request, client: Client) -> Response:
    """All fleets."""
    found, workers = await client.fleets(), await client.workers()
    return page(
        request,
        "Fleets",
        section("Load", _load(found)),
        section("Decisions", _decisions(found)),
        _scale() if may(request, "operate") else "",
        section("Workers", _workers(workers)),
        follows="jobs",
    )


@ROUTES.post("/fleets", openapi_extra=needs("operate"))
async def scale(request: Request, client: Client) -> Response:
    """Set how many slots a fleet has."""
    form = await sent(request)
    device = _device(form.get("device", ""))
    least, most = _number(form, "least"), _number(form, "most")
    if least is None and most is None:
        await client.scale(device, None)
        return back_to(f"{ROOT}/fleets", f"{device}: the settings hold again.")
    if least is not None and most is not None and least > most:
        raise InvalidArgument(f"the least number of slots is {least}, more than the most, {most}")
    await client.scale(device, Bounds(min=least, max=most))
    return back_to(f"{ROOT}/fleets", f"{device}: its bounds hold within seconds, where a controller runs.")


def _load(fleets: Sequence[FleetStatus]) -> Html:
    rows = [
        (
            fleet.device,
            str(fleet.workers),
            f"{fleet.busy} of {fleet.slots} busy, {fleet.offered} offered",
            ", ".join(f"{queue.queue} {queue.jobs:,}" for queue in fleet.queues if queue.jobs) or "nothing",
            duration(max((queue.oldest_s for queue in fleet.queues), default=0.0)),
            str(fleet.decisions[0].wanted) if fleet.decisions else "not scaled",
            _bounds(fleet.bounds),
        )
        for fleet in fleets
    ]
    head = ("Fleet", "Workers", "Slots", "Queued", "Oldest", "Wanted", "Bounds by hand")
    return listed("Load", head, rows, none="No worker runs, and nothing is queued.")


def _bounds(bounds: Bounds | None) -> str:
    set_by_hand = bounds.model_dump(exclude_none=True) if bounds else {}
    return ", ".join(f"{name} {value:g}" for name, value in set_by_hand.items()) or "none"


def _decisions(fleets: Sequence[FleetStatus]) -> Html:
    rows = [
        (moment(decision.at), fleet.device, f"{decision.slots} → {decision.wanted}", "; ".join(decision.reasons))
        for fleet in fleets
        for decision in fleet.decisions
    ]
    return listed(
        "Decisions, the newest first",
        ("When", "Fleet", "Slots", "Why"),
        rows,
        none="No controller has decided anything yet.",
    )


def _scale() -> Html:
    form = tag(
        "form",
        choice("Fleet", "device", [(device, device) for device in DEVICES]),
        field("Least slots", "least", type_="number", min="0"),
        field("Most slots", "most", type_="number", min="0"),
        tag("button", "Set"),
        method="post",
        action=f"{ROOT}/fleets",
        class_="filter",
    )
    return section("Scale by hand", form, tag("p", "Both empty: the controller's settings hold again.", class_="hint"))


def _workers(workers: Sequence[Worker]) -> Html:
    rows = [
        (
            worker.name,
            worker.node,
            worker.gpu or worker.device,
            f"{worker.busy} of {worker.slots} busy",
            _memory(worker),
            ", ".join(worker.queues),
            "; ".join(outage.reason for outage in worker.outages),
        )
        for worker in workers
    ]
    return listed("Workers", ("Worker", "Node", "Device", "Slots", "Memory", "Queues", "Away"), rows, none="None runs.")


def _memory(worker: Worker) -> str:
    if worker.memory_used_bytes is None:
        return ""
    of = f" of {size_text(worker.memory_bytes)}" if worker.memory_bytes else ""
    return size_text(worker.memory_used_bytes) + of


def _device(text: str) -> WorkDevice:
    for device in DEVICES:
        if device == text:
            return device
    raise InvalidArgument(f"a fleet is one of {', '.join(DEVICES)}, got {text[:40]!r}")


def _number(form: dict[str, str], name: str) -> int | None:
    text = form.get(name, "")
    if text and not (text.isdecimal() and len(text) <= 6):
        raise InvalidArgument(f"a number of slots is 0 to 999999, got {text[:40]!r}")
    return int(text) if text else None
