"""`stoker files put`, `ls`, `get`, `rm`; and what `encrypting` has."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..client.blocking import Client
from ..errors import InvalidArgument, JobNotFound
from ..ledger.uploads import KEEP_DAYS, Upload
from ..models.uploads import SCHEME, parse_upload
from ..terminal.amounts import ago, duration, size_text
from .bar import bar_of_bytes
from .encrypting import make_key, reencrypt
from .output import AsJson, Styled, draw, print_json, say
from .short_id import SEARCHED, whole_id
from .table import Table

Ref = Annotated[str, typer.Argument(metavar="REF", help="store://…, as put and ls print it.", show_default=False)]

files = typer.Typer(
    name="files", help="Put data into the store for workers to read, and take files out of it.", no_args_is_help=True
)


@files.command()
def put(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A file, or a folder with all its files.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="Its name in the store; else that of the path.")] = None,
    keep_days: Annotated[float, typer.Option(help="How many days it is kept after its last use.")] = KEEP_DAYS,
    as_json: AsJson = False,
) -> None:
    """Upload a file or a folder; prints the reference that jobs take as data."""
    with Client() as client, bar_of_bytes("upload") as bar:
        ref = client.upload(path, name=name, keep_days=keep_days, progress=bar.show)
    if as_json:
        print_json({"ref": ref})
    else:
        say(ref)


@files.command("ls")
def list_files(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="A job, whose files are listed; else all uploads.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the uploads, or the files of a job."""
    with Client() as client:
        if job is not None:
            of_job = client.job(_job_id(client, job)).files
            artifacts = {name: file.artifact for name, file in of_job.items()}
            if as_json:
                print_json({name: artifact.model_dump() for name, artifact in artifacts.items()})
            else:
                rows = ([name, size_text(each.size), each.name] for name, each in artifacts.items())
                draw(Table(["name", "size", "file"], rows, cut=["name"]))
            return
        uploads = client.uploads()
    if as_json:
        print_json(uploads)
    elif uploads:
        draw(Table(["size", "files", "uploaded", "kept for", "reference"], map(_row, uploads), cut=["reference"]))
    else:
        say("no uploads; `stoker files put PATH` makes one")


@files.command()
def get(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="store://…, or JOB/NAME: a file of a job.", show_default=False)
    ],
    to: Annotated[Path, typer.Argument(metavar="TO", help="The folder for it, or its path.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite another file of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy an upload, or a file of a job, to this machine, verified."""
    with Client() as client:
        if what.startswith(f"{SCHEME}://"):
            path = client.download(what, to, overwrite=force)
        else:
            job, separator, name = what.partition("/")
            of_job = client.job(_job_id(client, job)).files
            if not separator or name not in of_job:
                raise InvalidArgument(
                    f"{what} names no file of a job; expected JOB/NAME, with one of {', '.join(of_job)}"
                )
            path = of_job[name].download(to, overwrite=force)
    if as_json:
        print_json({"path": str(path)})
    else:
        say(str(path))


@files.command("rm")
def remove(ref: Ref, as_json: AsJson = False) -> None:
    """Forget an upload; its bytes go when nothing else names them."""
    with Client() as client:
        client.remove_upload(ref)
    if as_json:
        print_json({"removed": parse_upload(ref).whole})
    else:
        say("forgotten; its bytes go when no job and no version names them")


files.command("new-key")(make_key)
files.command()(reencrypt)


def _job_id(client: Client, prefix: str) -> str:
    try:
        return client.job(prefix).id
    except JobNotFound:
        return whole_id(prefix, lambda: client.jobs(limit=SEARCHED), "job")


def _row(upload: Upload) -> list[Styled]:
    left_s = (upload.expires_at - datetime.now(UTC)).total_seconds()
    kept: Styled = duration(left_s) if left_s > 0 else ("over", "yellow")
    return [size_text(upload.size), f"{upload.files:,}", ago(upload.created_at), kept, upload.ref]
