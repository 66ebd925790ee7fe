"""An export in one file: a SavedModel as a tar, and files compressed by zstd.

`tar --zstd -xf savedmodel.tar.zst -C models` gives `models/<name>/<version>/saved_model.pb`, as it would lie there;
`zstd -d model.onnx.zst` gives model.onnx.
"""

import shutil
import tarfile
from pathlib import Path

from stoker.models.exported import EXPORTED_AS

from ..progress import obey_stop
from ..run import Run

_SUFFIX = ".zst"
_BLOCK_BYTES = 1 << 20


def packed(folder: Path, within: str, run: Run) -> Path:
    """Move a SavedModel's files into a tar in its folder; gives its path. Equal files give equal bytes.

    Args:
        within: the path before each member's, "digits/3".
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    target = folder / EXPORTED_AS["savedmodel"]
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            obey_stop(run)
            member = tarfile.TarInfo(f"{within}/{path.relative_to(folder).as_posix()}")
            member.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(member, file)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != target:
            path.unlink()
    return target


def compressed(path: Path, run: Run) -> Path:
    """Replace a file by its zstd; gives its path."""
    import pyarrow as pa  # a quarter of a second, which other exports need not pay

    target = path.with_name(path.name + _SUFFIX)
    with path.open("rb") as source, pa.output_stream(target, compression="zstd") as sink:
        while block := source.read(_BLOCK_BYTES):
            obey_stop(run)
            sink.write(block)
    path.unlink()
    return target
