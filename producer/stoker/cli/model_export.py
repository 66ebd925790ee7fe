"""`stoker models export`."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from ..client import downloading
from ..client.blocking import Client
from ..errors import InvalidArgument, ModelNotFound
from ..models.exported import ExportFormat
from ..models.manifest import ModelVersion
from ..models.model_files import PREPROCESSING, predicting_file
from ..models.store import Store
from .live import show_result
from .models import Ref, models
from .output import AsJson, print_json, say, say_aside

__all__ = ["models"]

_FORMATS = get_args(ExportFormat)


@models.command()
def export(
    ref: Ref,
    folder: Annotated[Path, typer.Argument(help="Where to put the registry's own file.")] = Path(),
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format", help=f"One of {', '.join(_FORMATS)}, or another of its files; else what it predicts by."
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="A folder of this machine, or a URL: the export is in TO/NAME/VERSION.", show_default=False),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is called there, if not as the model.")] = None,
    network: Annotated[
        bool, typer.Option("--network", help="Leave what prepares rows out of the model, and put it beside.")
    ] = False,
    compress: Annotated[bool, typer.Option("--zstd", help="Compress the model's file.")] = False,
    data: Annotated[
        str | None, typer.Option(help="Rows to compare the outputs of, if not made-up ones.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite another file of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export a version as files that other programs load.

    Without --to, a file that the registry has is copied as it is, verified. With --to, and for other formats, a worker
    converts the model, and compares what both compute.

        stoker models export shop --format onnx --to models
    """
    with Client() as client:
        version = client.model(ref)
        is_missing = file_format in _FORMATS and file_format not in version.files
        if not (is_missing or to is not None or network or compress):
            _copied(client, version, folder, file_format, force, as_json)
            return
        if to == "":
            raise InvalidArgument("--to is empty: give a folder, such as . for the present one, or a URL")
        if file_format not in _FORMATS:
            got = f", got {file_format}" if file_format else ", and is needed with --to, --network and --zstd"
            raise InvalidArgument(f"--format is one of {', '.join(_FORMATS)}{got}")
        store = Store(client.settings.store_place)
        if not as_json:
            say_aside(f"a worker makes {file_format} of {version.ref}, for {to or folder}; this may take minutes")
        result = client.export(
            version.ref,
            cast(ExportFormat, file_format),
            to or folder,
            name=name,
            part="network" if network else "model",
            compress="zstd" if compress else False,
            data=data,
        )
    if as_json:
        print_json(result)
    else:
        show_result(result, store)


def _copied(client: Client, version: ModelVersion, folder: Path, name: str | None, force: bool, as_json: bool) -> None:
    """Copy a file of the registry; and beside it the one that prepares its rows, if it has one."""
    store = Store(client.settings.store_place)
    files = {"path": name or predicting_file(version)[0]}
    if files["path"] not in version.files:
        raise ModelNotFound(f"{version.ref} has no {name!r} file; it has {', '.join(version.files)}")
    if name is None and PREPROCESSING in version.files:
        files[PREPROCESSING] = PREPROCESSING
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        what: str(downloading.artifact(store, version.files[each], folder, overwrite=force))
        for what, each in files.items()
    }
    if as_json:
        print_json(paths)
    else:
        for path in paths.values():
            say(path)
