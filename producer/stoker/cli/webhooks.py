"""`stoker webhooks add`, `list`, `remove`, `enable`, `rotate`, `test`, `deliveries`, `replay`."""

from typing import Annotated

import typer

from ..client.blocking import Client
from ..client.webhooks import ALL_TYPES, KEEP_S
from ..errors import InvalidArgument
from ..terminal.amounts import ago
from ..webhooks.webhook import Delivery, NewWebhook, Webhook, WebhookStatus
from .moments import seconds
from .output import AsJson, Styled, draw, print_json, say
from .table import Table

webhooks = typer.Typer(
    name="webhooks", help="Tell URLs what happens: jobs that end, alarms, approvals.", no_args_is_help=True
)
Id = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook's id.", show_default=False)]


@webhooks.command()
def add(
    url: Annotated[str, typer.Argument(help="https of a public address.", show_default=False)],
    on: Annotated[
        str, typer.Option(help="Which events: job.failed, job.*, alarm.drift, …, with commas between them.")
    ] = ",".join(ALL_TYPES),
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Only of jobs that are tagged so, NAME=VALUE.", show_default=False)
    ] = None,
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="Sign with a key whose public part is shown, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have what happens from now on told to a URL, and print the secret that verifies it, once."""
    patterns = [word.strip() for word in on.split(",")]
    with Client() as client:
        added = client.add_webhook(url, on=patterns, tags=_tags(tags or ()), ed25519=ed25519)
    _tell_secret(added, as_json)


@webhooks.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List all webhooks, and how their deliveries go."""
    with Client() as client:
        listed = client.webhooks()
    if as_json:
        print_json(listed)
    elif not listed:
        say("no webhooks; add one with `stoker webhooks add URL`")
    else:
        columns = ["webhook", "url", "on", "delivered", "waiting", "dead", "state"]
        draw(Table(columns, map(_row, listed), cut=["url", "on", "state"]))


@webhooks.command()
def remove(webhook: Id, as_json: AsJson = False) -> None:
    """Remove a webhook, with all that waits for it."""
    with Client() as client:
        _tell(client.remove_webhook(webhook), "is removed", as_json)


@webhooks.command()
def enable(webhook: Id, as_json: AsJson = False) -> None:
    """Send events again to a webhook that was disabled because its receiver said 410."""
    with Client() as client:
        _tell(client.enable_webhook(webhook), "is enabled", as_json)


@webhooks.command()
def rotate(
    webhook: Id,
    keep: Annotated[str, typer.Option(help="For how long the old secret signs beside the new one.")] = f"{KEEP_S:g}s",
    as_json: AsJson = False,
) -> None:
    """Give a webhook a new secret, and print it, once."""
    with Client() as client:
        rotated = client.rotate_webhook(webhook, keep_s=seconds("--keep", keep))
    _tell_secret(rotated, as_json)


@webhooks.command("test")
def send_test(webhook: Id, as_json: AsJson = False) -> None:
    """Have an event of the type webhook.test delivered to a webhook."""
    with Client() as client:
        delivery = client.test_webhook(webhook)
    if as_json:
        print_json(delivery)
    else:
        say(f"{delivery.id} is sent by the controller: `stoker webhooks deliveries {webhook}` shows what came of it")


@webhooks.command()
def deliveries(
    webhook: Id,
    state: Annotated[str | None, typer.Option(help="waiting, dead or delivered.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="How many to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what is told to a webhook: what waits, what was given up, what has arrived."""
    with Client() as client:
        listed = client.deliveries(webhook, state, limit)
    if as_json:
        print_json(listed)
    elif not listed:
        say("no deliveries")
    else:
        columns = ["delivery", "event", "happened", "state", "tries", "at", "problem"]
        draw(Table(columns, map(_delivery_row, listed), cut=["problem"]))


@webhooks.command()
def replay(
    webhook: Id,
    delivery: Annotated[str | None, typer.Argument(help="One delivery; else all that are dead or wait.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try deliveries again from now on, with the ids that they have."""
    with Client() as client:
        replayed = client.replay_webhook(webhook, delivery)
    if as_json:
        print_json(replayed)
    else:
        say(f"{len(replayed):,} deliveries are tried now")


def _tags(pairs: list[str] | tuple[str, ...]) -> dict[str, str]:
    if wrong := next((pair for pair in pairs if "=" not in pair), None):
        raise InvalidArgument(f"--tag is NAME=VALUE, got {wrong!r}")
    return dict(pair.split("=", 1) for pair in pairs)


def _tell_secret(webhook: NewWebhook, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    say((webhook.id, "bold"), f" is told {', '.join(webhook.on)}; its receiver verifies them with, shown only now,")
    say(f"  {webhook.secret}")
    if webhook.public:
        say(f"  {webhook.public}")


def _tell(webhook: Webhook, how: str, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
    else:
        say(f"{webhook.id} {how}")


def _row(status: WebhookStatus) -> list[Styled]:
    state: Styled = "ok"
    if status.disabled:
        state = (f"disabled: {status.disabled}", "red")
    elif status.failing_since:
        state = (f"failing since {ago(status.failing_since)}: {status.problem}", "yellow")
    counts = [f"{count:,}" for count in (status.delivered, status.waiting, status.dead)]
    return [status.id, status.url, ", ".join(status.on), *counts, state]


def _delivery_row(delivery: Delivery) -> list[Styled]:
    at = f"{delivery.at:%m-%d %H:%M:%S}"
    return [
        *(delivery.id, delivery.type, ago(delivery.created_at), delivery.state, str(delivery.tries), at),
        delivery.problem,
    ]
