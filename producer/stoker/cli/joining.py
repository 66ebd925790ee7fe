"""Files of predictions from the store, as one local file."""

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..models.manifest import Artifact
from ..models.store import Store


def join(chunks: Sequence[Artifact], store: Store, target: Path) -> None:
    """Write the rows of all chunks, which have the format that the target's suffix names, in their order.

    Nothing takes the target's place before it is whole.

    Raises:
        Corrupt, Missing, Unavailable: the store does not give a chunk.
        OSError: the target cannot be written.
    """
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        whole = Path(folder) / "whole"
        _JOINED[target.suffix]([store.fetch(chunk, Path(folder)) for chunk in chunks], whole)
        whole.replace(target)


def _join_arrays(paths: Sequence[Path], whole: Path) -> None:
    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    shape = (sum(map(len, arrays)), *arrays[0].shape[1:])
    joined = np.lib.format.open_memmap(whole, "w+", arrays[0].dtype, shape)
    np.concatenate(arrays, out=joined)
    joined.flush()


def _join_lines(paths: Sequence[Path], whole: Path) -> None:
    with whole.open("w", encoding="utf-8", newline="") as sink:
        for number, path in enumerate(paths):
            with path.open(encoding="utf-8", newline="") as chunk:
                if number:
                    next(csv.reader(chunk))  # the names of the columns, which may be several lines
                shutil.copyfileobj(chunk, sink)


def _join_tables(paths: Sequence[Path], whole: Path) -> None:
    # The light half does not bring it along.
    import pyarrow as pa
    import pyarrow.parquet

    # A chunk without a single value of a column does not know its type.
    schema = pa.unify_schemas(map(pa.parquet.read_schema, paths), promote_options="permissive")
    with pa.parquet.ParquetWriter(whole, schema) as writer:
        for path in paths:
            writer.write_table(pa.parquet.read_table(path).cast(schema))


_JOINED: dict[str, Callable[[Sequence[Path], Path], None]] = {
    ".npy": _join_arrays,
    ".csv": _join_lines,
    ".parquet": _join_tables,
}
