"""The files that hold the rows of a case of the test matrix, in every format."""

import bz2
import csv
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import tensorflow as tf

from .rows import ROWS, Columns, Rows, png

SUFFIXES = {"parquet": ("parquet", "PARQUET"), "arrow": ("arrow", "feather"), "npz": ("npz", "NPZ")} | {
    name: (name, name.upper()) for name in ("csv", "tsv", "jsonl", "tfrecord")
}


def write(rows: Rows, container: str, packing: str, folder: Path) -> str:
    """Write rows in a format; gives their reference."""
    folder.mkdir(parents=True)
    if container == "pictures":
        return _write_folder(rows, folder, packing)
    suffix = SUFFIXES[container][packing == "alias"]
    columns = {**rows.times, **rows.features, **rows.targets}
    if container not in ("npz", "tfrecord"):
        columns = {name: _on_disk(name, values, folder) for name, values in columns.items()}
    cut = {name: values for name, values in columns.items() if packing != "hive" or name != rows.key}
    halves = [
        {name: values[part] for name, values in cut.items()} for part in (slice(ROWS // 2), slice(ROWS // 2, None))
    ]
    if packing == "glob":
        for at, half in enumerate(halves):
            _WRITE[container](half, folder / f"part-{at}.{suffix}", rows.kinds)
        return str(folder / f"part-*.{suffix}")
    if packing == "hive":
        for value, half in zip(("east", "west"), halves, strict=True):
            (folder / f"{rows.key}={value}").mkdir()
            _WRITE[container](half, folder / f"{rows.key}={value}" / f"part.{suffix}", rows.kinds)
        return str(folder)
    path = folder / f"table.{suffix}"
    _WRITE[container](cut, path, rows.kinds)
    if packing in _COMPRESS:
        packed = path.with_name(f"{path.name}.{packing}")
        packed.write_bytes(_COMPRESS[packing](path.read_bytes()))
        path.unlink()
        return str(packed)
    return str(path)


_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": lambda content: bytes(pa.Codec("zstd").compress(content, asbytes=True)),
}


def _on_disk(name: str, values: list[Any], folder: Path) -> list[Any]:
    """Pictures as files, and the paths of these."""
    if not any(isinstance(value, np.ndarray) for value in values):
        return values
    beside = folder.with_name(f"{folder.name}-pictures")
    paths = [None if value is None else beside / f"{name}-{at}.png" for at, value in enumerate(values)]
    beside.mkdir(exist_ok=True)
    for path, value in zip(paths, values, strict=True):
        if path:
            path.write_bytes(png(value))
    return [path and str(path) for path in paths]


def _write_folder(rows: Rows, folder: Path, packing: str) -> str:
    for at, pixels in enumerate(rows.features["image"]):
        place = folder / "images" if "mask" in rows.targets else folder / rows.targets.get("label", ["all"] * ROWS)[at]
        place.mkdir(exist_ok=True)
        (place / f"{at:02}.png").write_bytes(b"" if pixels is None else png(pixels))
    for at, pixels in enumerate(rows.targets.get("mask", ())):
        (folder / "masks").mkdir(exist_ok=True)
        (folder / "masks" / f"{at:02}.png").write_bytes(png(pixels))
    return str(folder / "*" / "*.png") if packing == "glob" else str(folder)


def _write_text(columns: Columns, path: Path, kinds: Mapping[str, str]) -> None:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    cells = {name: [_cell(value) for value in values] for name, values in columns.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows([list(cells), *zip(*cells.values(), strict=True)])


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(" ")
    return value


def _write_lines(columns: Columns, path: Path, kinds: Mapping[str, str]) -> None:
    records = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    lines = (json.dumps(record, ensure_ascii=False, default=datetime.isoformat) for record in records)
    path.write_text("\n".join(lines), encoding="utf-8")


def _table(columns: Columns, kinds: Mapping[str, str]) -> pa.Table:
    types = {"vector": pa.list_(pa.float64(), 3), "sequence": pa.list_(pa.float64()), "tokens": pa.list_(pa.int64())}
    return pa.table({name: pa.array(values, types.get(kinds.get(name, ""))) for name, values in columns.items()})


def _write_parquet(columns: Columns, path: Path, kinds: Mapping[str, str]) -> None:
    pa.parquet.write_table(_table(columns, kinds), path)


def _write_arrow(columns: Columns, path: Path, kinds: Mapping[str, str]) -> None:
    pa.feather.write_feather(_table(columns, kinds), str(path))


def _write_arrays(columns: Columns, path: Path, kinds: Mapping[str, str]) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: _array(values, kinds.get(name)) for name, values in columns.items()})


def _array(values: Sequence[Any], kind: str | None) -> Any:
    """Values as numpy has them: gaps are NaN, NaT or empty texts."""
    known = next(value for value in values if value is not None)
    match known:
        case str():
            return np.array([value or "" for value in values])
        case datetime():
            return np.array(values, "datetime64[s]")
        case list():
            gap = [np.nan] * len(known)
            return np.array([gap if value is None else value for value in values])
        case float():
            return np.array([np.nan if value is None else value for value in values])
    return np.array(values)


def _write_records(columns: Columns, path: Path, kinds: Mapping[str, str]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in zip(*columns.values(), strict=True):
            filled = {name: _feature(value) for name, value in zip(columns, row, strict=True) if value is not None}
            writer.write(tf.train.Example(features=tf.train.Features(feature=filled)).SerializeToString())


def _feature(value: Any) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    match values[0]:
        case bool() | int():
            return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))
        case float():
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        case np.ndarray():
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(each) for each in values]))
        case datetime():
            values = [each.isoformat() for each in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[each.encode() for each in values]))


_WRITE: dict[str, Callable[[Columns, Path, Mapping[str, str]], None]] = {
    "csv": _write_text,
    "tsv": _write_text,
    "jsonl": _write_lines,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
    "npz": _write_arrays,
    "tfrecord": _write_records,
}
