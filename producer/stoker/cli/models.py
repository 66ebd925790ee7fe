"""`stoker models list`, `show`, `import`."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import Annotated, cast

import typer

from ..client.blocking import Client
from ..client.registering import Said
from ..errors import InvalidArgument
from ..kinds.describe import percent
from ..lanes.failures import load_failures
from ..ledger import registry
from ..local import redis_url_of
from ..models.manifest import CHAMPION, LearnedColumn, ModelVersion
from ..models.signature import TensorSpec
from ..models.store import Store
from ..redis.connection import Connection
from ..settings import Settings
from ..terminal.amounts import ago, size_text
from .output import AsJson, Styled, draw, line, metrics_text, print_json, say
from .table import Table

Ref = Annotated[
    str, typer.Argument(metavar="MODEL", help="name, name@3, name@alias or name@latest.", show_default=False)
]

models = typer.Typer(name="models", help="Look at registered models, and keep them in order.", no_args_is_help=True)


@models.command("list")
def list_versions(as_json: AsJson = False) -> None:
    """List every version of every model, and what is wrong with those that cannot be read or loaded."""
    settings = Settings()
    with closing(Connection.open(settings, redis_url_of(settings))) as connection:
        catalogue = connection.run(registry.catalogue())
        failures = connection.run(load_failures())
    if as_json:
        print_json(catalogue.versions)
        return
    if catalogue.versions:
        columns = ["model", "aliases", "task", "metrics", "made"]
        draw(Table(columns, map(_row, catalogue.versions), cut=["model", "aliases", "metrics"]))
        for note in newer_than_champion(catalogue.versions):
            say((note, "yellow"))
    elif not catalogue.damaged:
        say("no models; a train job registers one")
    for flaw in [damaged.reason for damaged in catalogue.damaged] + [
        failure.as_error().message for failure in failures
    ]:
        say(("! ", "bold red"), flaw)


@models.command()
def show(ref: Ref, as_json: AsJson = False) -> None:
    """Show a version: what it takes and gives, its metrics, where it came from, its files."""
    with Client() as client:
        version = client.model(ref)
        store, monitor = Store(client.settings.store_place), client.monitors().get(version.name)
    if as_json:
        print_json(version)
        return
    signature = version.signature
    rows: list[tuple[str, Styled]] = [
        ("model", line((version.ref, "bold"), f"  {', '.join(version.aliases)}")),
        ("made", f"{version.created_at:%Y-%m-%d %H:%M:%S} UTC by job {version.job}"),
        ("source", version.source) if version.source else ("data", version.data),
        ("inputs", "; ".join(map(_tensor, signature.inputs))),
        ("outputs", "; ".join(map(_tensor, signature.outputs))),
        ("task", signature.task + (f": {', '.join(signature.classes)}" if signature.classes else "")),
        *((("note", version.note),) if version.note else ()),
        *((("why", version.task_why),) if version.task_why else ()),
        ("metrics", metrics_text(version.metrics)),
        *((("validation", version.split),) if version.split else ()),
        *((("parent", _lineage(version)),) if version.parent else ()),
        ("parameters", f"{version.parameters:,}"),
        *((("tuned", version.tuned),) if version.tuned else ()),
        *((("watched", f"by job {monitor}"),) if monitor else ()),
        *((("engine", f"TensorFlow alone, for {version.tensorflow_why}"),) if version.tensorflow_why else ()),
        *((name, f"{store.location(file)}  {size_text(file.size)}") for name, file in version.files.items()),
    ]
    for name, value in rows:
        say((f"{name:>11}", "dim"), "  ", value)
    if version.columns:
        head = ["column", "kind", "missing", "why"]
        draw(Table(head, map(_learned, version.columns), cut=["column", "why"]))


def _lineage(version: ModelVersion) -> str:
    """What a version was made of, and how."""
    if (made := version.optimized) is None:
        return str(version.parent)
    moved = f"{made.headline} {made.before:.4g} before, {made.after:.4g} after, on {made.data}"
    return f"{version.parent}, as {made.form}: {made.words}; {moved}"


@models.command("import")
def import_model(
    name: Annotated[str, typer.Argument(help="The name to register it under.", show_default=False)],
    file: Annotated[
        str, typer.Argument(help="A .keras, .tflite or .onnx file, a SavedModel, or a URL.", show_default=False)
    ],
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="The label of a unit of its output; once for each, in order.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--column", help="A column that its only input takes; once for each, in order.")
    ] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="Another name for an input: IN_THE_MODEL=NAME.")
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output", help="An output to serve, as it is or by another name: OWN=NAME.")
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="What you have measured: NAME=VALUE.")] = None,
    target: Annotated[str | None, typer.Option(help="The column that has the truth, for evaluations.")] = None,
    task: Annotated[str | None, typer.Option(help="classification, multilabel, regression or pixels.")] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="keras, savedmodel, litert or onnx; else by the file's name.")
    ] = None,
    logits: Annotated[
        bool | None, typer.Option(help="Whether outputs are raw scores; else read off the last layer.")
    ] = None,
    entry: Annotated[str | None, typer.Option(help="Which function of a SavedModel is served.")] = None,
    modules: Annotated[
        list[str] | None, typer.Option("--module", help="Where activations of yours are registered that it has.")
    ] = None,
    alias: Annotated[str | None, typer.Option(help="What shall point at it, besides its number.")] = None,
    as_json: AsJson = False,
) -> None:
    """Register a model that was made elsewhere; it is checked before anything opens it."""
    said: dict[str, object] = {
        "classes": classes or (),
        "inputs": columns or _pairs("--input", inputs),
        "outputs": {own: name or own for own, _, name in (each.partition("=") for each in outputs or ())},
        "metrics": {name: _number(name, value) for name, value in _pairs("--metric", metrics).items()},
        "target": target,
        "task": task,
        "logits": logits,
        "entry": entry,
        "modules": modules or (),
        "alias": alias,
    }
    if file_format is not None:
        said["format"] = file_format
    if columns and inputs:
        raise InvalidArgument("--column names what the only input takes, and --input an input: give one of them")
    with Client() as client:
        # Its words are checked as those of any other caller.
        version = client.register(name, file, **cast(Said, said))
    if as_json:
        print_json(version)
        return
    say((version.ref, "bold"), f"  {version.signature.task}, {version.parameters:,} parameters")
    if version.task_why:
        say((version.task_why, "yellow"))


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts or ()]
    if wrong := next((name for name, _, value in pairs if not name or not value), None):
        raise InvalidArgument(f"{option} takes NAME=VALUE, got {wrong!r}")
    return {name: value for name, _, value in pairs}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(f"--metric takes NAME=NUMBER, got {name}={text}") from None


def newer_than_champion(versions: Sequence[ModelVersion]) -> Iterator[str]:
    """A sentence for each model whose newest version is not what its plain name means."""
    for name, of_model in groupby(versions, key=lambda version: version.name):
        newest, *older = of_model
        champion = next((version for version in older if CHAMPION in version.aliases), None)
        if champion:
            yield (
                f"{newest.ref} is newer than {champion.ref}, which {name} means: "
                f"`stoker models alias {newest.ref} champion` makes it that"
            )


def _row(version: ModelVersion) -> list[Styled]:
    metrics = metrics_text(version.metrics)
    return [version.ref, ", ".join(version.aliases), version.signature.task, metrics, ago(version.created_at)]


def _learned(column: LearnedColumn) -> list[Styled]:
    missing = percent(column.missing) if column.missing else ""
    kind = f"{column.kind} ({column.scaling})" if column.scaling else column.kind
    return [column.name, kind, missing, f"{column.why}; {column.doubt}" if column.doubt else column.why]


def _tensor(spec: TensorSpec) -> str:
    shape = ", ".join("any" if size is None else str(size) for size in spec.shape)
    limits = f" in {spec.low:.4g} … {spec.high:.4g}" if spec.low is not None and spec.high is not None else ""
    return f"{spec.name}: {spec.dtype} ({shape}){limits}"
