"""One version of a model: what it takes and gives, what it was made of, and how good it is."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from ...models.manifest import ModelVersion
from ...models.signature import TensorSpec
from ...terminal.amounts import size_text
from ...terminal.html import Html, tag
from ..auth.scopes import require_model
from ..routes import Caller, Client, needs
from .page import ROOT, console_router, facts, link, listed, page, section
from .words import job_link, model_link, moment

ROUTES = console_router()


@ROUTES.get("/models/{name}/{version}", openapi_extra=needs("read"))
async def version(request: Request, client: Client, key: Caller, name: str, version: str) -> Response:
    """One version."""
    require_model(key, name)
    found = await client.model(f"{name}@{version}")
    return page(
        request,
        found.ref,
        tag(
            "p", link(f"{ROOT}/try/{found.ref}", "Try it"), link(f"{ROOT}/models/{name}", "All versions"), class_="acts"
        ),
        facts(_facts(found)),
        section("Metrics", _metrics(found)),
        section("What it takes", _tensors("Inputs", found.signature.inputs)),
        section("What it gives", _tensors("Outputs", found.signature.outputs)),
        section("Columns", _columns(found)) if found.columns else "",
        section("Files", _files(found)),
    )


def _facts(version: ModelVersion) -> list[tuple[str, str]]:
    signature, made = version.signature, version.optimized
    return [
        ("Aliases", ", ".join(version.aliases)),
        ("Task", signature.task),
        ("Why", version.task_why),
        ("Classes", ", ".join(signature.classes)),
        ("Made by", job_link(version.job)),
        ("Registered", moment(version.created_at)),
        ("Trained on", " + ".join(version.trained_on)),
        ("Validated on", version.split),
        ("Imported from", version.source),
        ("Made from", model_link(version.parent) if version.parent else ""),
        ("Optimised", f"{made.form}: {made.words}" if made else ""),
        ("By that", f"{made.headline} {made.before:.4g} before, {made.after:.4g} after" if made else ""),
        ("Tuned", version.tuned),
        ("Parameters", f"{version.parameters:,}"),
        ("Note", version.note),
    ]


def _metrics(version: ModelVersion) -> Html:
    rows = [(name, f"{value:.5g}") for name, value in version.metrics.items()]
    return listed("Metrics", ("Metric", "Value"), rows, none="None is known.")


def _tensors(caption: str, specs: Sequence[TensorSpec]) -> Html:
    rows = [
        (
            spec.name,
            f"{spec.dtype} ({', '.join('any' if size is None else str(size) for size in spec.shape)})",
            f"{spec.low:.4g} … {spec.high:.4g}" if spec.low is not None and spec.high is not None else "",
            ", ".join(spec.columns),
        )
        for spec in specs
    ]
    return listed(caption, ("Name", "Type", "In training", "Columns"), rows, none="")


def _columns(version: ModelVersion) -> Html:
    rows = [(column.name, column.kind, column.why, column.doubt or "") for column in version.columns]
    return listed("What was made of each column", ("Column", "Kind", "Why", "Doubt"), rows, none="")


def _files(version: ModelVersion) -> Html:
    rows = [
        (name, file.name, size_text(file.size), tag("code", file.digest[:12], title=file.digest))
        for name, file in version.files.items()
    ]
    return listed("Files", ("Format", "File", "Size", "SHA-256"), rows, none="")
