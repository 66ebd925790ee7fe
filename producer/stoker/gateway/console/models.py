"""Models: which there are, their versions, where their aliases point, and how that came about."""

from collections.abc import Sequence
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response

from ... import ModelChange
from ...models.manifest import CHAMPION, ModelVersion
from ...terminal.html import Html, tag
from ..auth.scopes import require_alias, require_model, sees_model
from ..routes import Caller, Client, needs
from .forms import button, choice, field, sent
from .page import ROOT, back_to, console_router, link, listed, may, page, section
from .words import data_words, job_link, metrics_words, model_link, moment

ROUTES = console_router()


@ROUTES.get("/models", openapi_extra=needs("read"))
async def models(request: Request, client: Client, key: Caller) -> Response:
    """All models, each with its newest version."""
    versions = [version for version in await client.models() if sees_model(key, version.name)]
    rows = []
    for name, of_model in groupby(versions, key=lambda version: version.name):
        newest, *older = of_model
        champion = next((each for each in (newest, *older) if CHAMPION in each.aliases), None)
        rows.append(
            (
                model_link(name),
                model_link(newest.ref),
                model_link(champion.ref) if champion else "none",
                newest.signature.task,
                metrics_words((champion or newest).metrics),
                moment(newest.created_at),
                link(f"{ROOT}/try/{name}", "Try it"),
            )
        )
    head = ("Model", "Newest", "Champion", "Task", "Metrics of what serves", "Registered", "Act")
    table = listed("Models", head, rows, none="No model is registered: a Train or Import job registers one.")
    return page(request, "Models", table, follows="jobs")


@ROUTES.get("/models/{name}", openapi_extra=needs("read"))
async def model(request: Request, client: Client, key: Caller, name: str) -> Response:
    """One model: its versions, aliases and history."""
    require_model(key, name)
    # Raises for a name that is none.
    newest = await client.model(f"{name}@latest")
    versions = [version for version in await client.models() if version.name == name]
    changes = await client.model_changes(name)
    monitor = (await client.monitors()).get(name)
    return page(
        request,
        name,
        _links(name),
        _watched(name, monitor),
        section("Versions", _versions(versions)),
        section("Aliases", _aliases(request, versions, newest)),
        section("History", _history(changes)),
        follows="jobs",
    )


@ROUTES.post("/models/{name}/alias", openapi_extra=needs("operate"))
async def move(request: Request, client: Client, key: Caller, name: str) -> Response:
    """Let an alias point at a version."""
    form = await sent(request)
    number, alias = form.get("version", ""), form.get("alias", "")
    require_model(key, name)
    require_alias(key, alias)
    moved = await client.alias_model_for(key.id, f"{name}@{number}", alias)
    return back_to(f"{ROOT}/models/{name}", f"{alias} points at {moved.ref}: predictions follow within a second.")


@ROUTES.post("/models/{name}/rollback", openapi_extra=needs("operate"))
async def roll_back(request: Request, client: Client, key: Caller, name: str) -> Response:
    """Let an alias point at what it pointed at before."""
    alias = (await sent(request)).get("alias", CHAMPION)
    require_model(key, name)
    require_alias(key, alias)
    moved = await client.rollback_model_for(key.id, name, alias)
    return back_to(f"{ROOT}/models/{name}", f"{alias} points at {moved.ref} again.")


def _links(name: str) -> Html:
    places = {"Try it": f"try/{name}", "Compare": f"compare?model={name}", "Its jobs": f"jobs?model={name}"}
    return tag("p", *(link(f"{ROOT}/{place}", said) for said, place in places.items()), class_="acts")


def _watched(name: str, monitor: str | None) -> Html:
    if monitor is None:
        return Html("")
    found = link(f"{ROOT}/drift/{name}", "what it has found")
    return tag("p", "Watched by job ", job_link(monitor), ": ", found, ".")


def _versions(versions: Sequence[ModelVersion]) -> Html:
    rows = [
        (
            model_link(version.ref),
            ", ".join(version.aliases),
            tag("span", metrics_words(version.metrics), class_="metrics"),
            f"{version.parameters:,}",
            data_words(version.data or version.source),
            model_link(version.parent) if version.parent else "",
            job_link(version.job),
            moment(version.created_at),
            version.note,
        )
        for version in versions
    ]
    head = ("Version", "Aliases", "Metrics", "Parameters", "Data", "Made from", "By job", "Registered", "Note")
    return listed("Versions, the newest first", head, rows, none="")


def _aliases(request: Request, versions: Sequence[ModelVersion], newest: ModelVersion) -> Html:
    """Where they point; forms to move them for those who may."""
    place, operates = f"{ROOT}/models/{newest.name}", may(request, "operate")
    pointing = sorted((alias, version) for version in versions for alias in version.aliases)
    rows = [(alias, model_link(of.ref), _back(place, alias) if operates else "") for alias, of in pointing]
    table = listed("Aliases", ("Alias", "Points at", "Act"), rows, none="None points at a version.")
    if not operates:
        return table
    numbers = [(str(version.version), f"{version.ref}: {metrics_words(version.metrics)}") for version in versions]
    form = tag(
        "form",
        choice("Version", "version", numbers),
        field("Alias", "alias", CHAMPION, required=""),
        tag("button", "Promote"),
        method="post",
        action=f"{place}/alias",
        class_="filter",
    )
    return tag("div", table, form)


def _back(place: str, alias: str) -> Html:
    sure = f"Let {alias} point at what it did before?"
    return button(f"{place}/rollback", "Roll back", {"alias": alias}, sure=sure)


def _history(changes: Sequence[ModelChange]) -> Html:
    rows = [(moment(change.at), change.words(), change.by) for change in changes]
    return listed("Changes, the newest first", ("When", "What", "By"), rows, none="Nothing has changed yet.")
