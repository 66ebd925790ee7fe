"""A SavedModel as people hand it over: a zip or tar of its folder, with or without the folder's name."""

import errno
import lzma
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2

from stoker.errors import InvalidJob
from stoker.kinds.problems import short

from ..prediction.screening.members import DAMAGED, MOST_MEMBERS, checked_members, safe_path, unpack
from ..prediction.screening.savedmodel import GRAPH
from ..prediction.screening.screen import screen

_MOST_RATIO = 200
# What an archive is to blame for, that calls a file and a folder alike.
_OF_ARCHIVE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_SMALL = 1 << 20


@screen
def unpacked(path: Path, folder: Path, what: str) -> Path:
    """Unpack an archive into an empty folder; gives the folder in it that has the SavedModel.

    Raises:
        InvalidJob: it is no such archive, or has a member that is refused.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpack(archive, checked_members(archive, what, _most_bytes(folder)), folder)
        else:
            with tarfile.open(path) as tar:
                _unpack_tar(tar, path.stat().st_size, folder, what)
    except (*DAMAGED, tarfile.TarError, lzma.LZMAError, OSError) as error:
        # Of damaged data, gzip and bz2 say so without a number.
        if isinstance(error, OSError) and error.errno and error.errno not in _OF_ARCHIVE:
            raise
        raise InvalidJob(
            f"{what} is no zip or tar, or a damaged one ({short(str(error))}); pack the SavedModel again"
        ) from error
    graphs = sorted(folder.rglob("saved_model.pb"), key=lambda found: len(found.parts))
    if not graphs:
        raise InvalidJob(f"{what} has no saved_model.pb: it is no SavedModel; write one with model.export(folder)")
    if len(graphs) > 1:
        raise InvalidJob(f"{what} has {len(graphs)} SavedModels; give an archive of one")
    return graphs[0].parent


def drop_optimizer(folder: Path) -> bool:
    """Take what an optimizer of Keras 2 has kept of each weight out of a checked SavedModel; gives whether it had any.

    TensorFlow loads such a SavedModel no more, for it finds no optimizer of that kind. No prediction needs it.
    """
    path = folder / GRAPH
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    kept = [node for graph in saved.meta_graphs for node in graph.object_graph_def.nodes if node.slot_variables]
    for node in kept:
        node.ClearField("slot_variables")
    if kept:
        path.write_bytes(saved.SerializeToString(deterministic=True))
    return bool(kept)


def _most_bytes(folder: Path) -> int:
    """How much may be unpacked: other jobs need the disk, too."""
    return shutil.disk_usage(folder).free // 2


def _unpack_tar(tar: tarfile.TarFile, packed: int, folder: Path, what: str) -> None:
    written: set[str] = set()
    total, most = 0, min(_most_bytes(folder), _SMALL + _MOST_RATIO * packed)
    for member in tar:
        name = member.name.removeprefix("./")
        if name in ("", "."):
            continue
        if not safe_path(name):
            raise InvalidJob(f"{what} has the member {short(name)}, whose path may lead out of it; pack it anew")
        if member.isdir():
            continue
        if not member.isreg() or member.issparse() or stat.S_IFMT(member.mode):
            raise InvalidJob(
                f"{what} has the member {short(name)}, which is a link or a device; pack only regular files"
            )
        total += member.size
        if len(written) >= MOST_MEMBERS or total > most:
            raise InvalidJob(
                f"{what} would unpack to more than {most:,} bytes or {MOST_MEMBERS:,} files; no model does, or "
                "there is no room for one on this worker"
            )
        if name in written:
            raise InvalidJob(
                f"{what} has the member {short(name)} twice, and readers differ in which they take; pack it anew"
            )
        written.add(name)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None, "a regular file has content"
        with source, target.open("xb") as sink:
            while block := source.read(1 << 20):
                sink.write(block)
