"""Data references: what is refused at the door, and what the door lets through."""

from pathlib import Path

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.models.data import SAMPLES, Location, boolean_of, locate, preflight, select_columns, time_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with some data in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("age,colour,label\n1,red,yes\n")
    np.savez(tmp_path / "arrays.npz", x=np.zeros((4, 2)), y=np.zeros(4))
    for shard in ("b", "a"):
        (tmp_path / f"part-{shard}.parquet").touch()
    return tmp_path


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_sets_have_no_files(name: str) -> None:
    assert locate(f"sample://{name}") == Location(name, "npz", ())


def test_a_glob_becomes_its_sorted_files(folder: Path) -> None:
    expected = (str(folder / "part-a.parquet"), str(folder / "part-b.parquet"))
    assert locate(f"{folder}/part-*.parquet") == Location(None, "parquet", expected)


def test_a_file_url_is_a_local_file(folder: Path) -> None:
    assert locate(f"file://{folder}/table.csv").urls == (str(folder / "table.csv"),)


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("sample://mnist", "no sample set 'mnist'; expected one of digits, iris"),
        ("nowhere://table.csv", "unknown scheme 'nowhere'"),
        ("zip://table.csv::/data/archive.zip", "chains file systems"),
        ("/data/\x00.csv", "unprintable characters"),
        ("  ", "empty"),
        ("/no/such/table.csv", "there is no file /no/such/table.csv"),
        ("/no/such/*.csv", r"no file matches /no/such/\*\.csv"),
    ],
)
def test_a_reference_to_nothing_is_refused_by_its_reason(ref: str, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        locate(ref)


def test_a_file_of_another_name_needs_its_format(folder: Path) -> None:
    (folder / "table").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidJob, match=r"must end in \.npz, \.csv, \.jsonl, .*; rename or convert .*, or set format"):
        locate(f"{folder}/table")
    assert locate(f"{folder}/table", "csv").format == "csv"


@pytest.mark.parametrize("name", ["iris.data", "auto.DAT.gz", "u.txt", "cells.tab"])
def test_a_table_of_another_suffix_is_one_if_it_is_named_and_about_the_others_in_a_folder(
    folder: Path, name: str
) -> None:
    (folder / "set").mkdir()
    for each in (name, "part.parquet"):
        (folder / "set" / each).touch()
    assert locate(f"{folder}/set/{name}").format == "csv"
    assert locate(f"{folder}/set/*{''.join(Path(name).suffixes)}").format == "csv"
    with pytest.raises(InvalidJob, match="several formats"):
        locate(f"{folder}/set")


def test_a_folder_becomes_the_files_of_one_format_below_it(folder: Path) -> None:
    for name in ("year=2024/b.CSV", "year=2023/a.csv.gz", "_SUCCESS", ".hidden/c.csv", "year=2024/.b.CSV.crc"):
        (folder / "shards" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "shards" / name).touch()
    (folder / "shards" / "again").symlink_to(folder / "shards")
    paths = (f"{folder}/shards/year=2023/a.csv.gz", f"{folder}/shards/year=2024/b.CSV")
    expected = Location(None, "csv", paths, ((("year", "2023"),), (("year", "2024"),)))
    assert locate(f"{folder}/shards") == locate(f"{folder}/shards/year=*/*") == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "is a folder without files"),
        (("a.csv", "b.parquet"), r"has files of several formats \(a\.csv, b\.parquet\); name those of one"),
        (("year=1/a.csv", "b.csv"), "is not in folders of the same keys as"),
    ],
)
def test_a_folder_of_no_one_data_set_is_refused(names: tuple[str, ...], message: str, folder: Path) -> None:
    (folder / "shards").mkdir()
    for name in names:
        (folder / "shards" / name).parent.mkdir(exist_ok=True)
        (folder / "shards" / name).touch()
    with pytest.raises(InvalidJob, match=message):
        locate(f"{folder}/shards")


def test_preflight_makes_relative_paths_absolute(folder: Path) -> None:
    assert preflight("table.csv") == str(folder / "table.csv")
    assert preflight("part-*.parquet") == str(folder / "part-*.parquet")
    assert preflight("sample://iris") == "sample://iris"


@pytest.mark.parametrize("name", ["/proc/self/environ", "/sys/kernel/notes"])
def test_preflight_reads_nothing_of_the_systems_own(tmp_path: Path, name: str) -> None:
    link = tmp_path / "rows.csv"
    link.symlink_to(name)
    with pytest.raises(InvalidJob, match="is of the system's own, and no data"):
        preflight(str(link), target="a")


def test_preflight_contacts_no_remote_file_system() -> None:
    assert preflight("s3://no-such-bucket/table.csv", target="label") == "s3://no-such-bucket/table.csv"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("ref", "target", "features", "message"),
    [
        ("table.csv", "price", None, r"has no column 'price'; it has 'age', 'colour', 'label'"),
        ("table.csv", None, ("size",), "has no column 'size'"),
        ("table.csv", None, ("age", "label"), "'label' is the target and a feature at once"),
        ("table.csv", None, ("age", "age"), "names a column twice"),
        ("arrays.npz", "z", None, "has no column 'z'; it has 'x', 'y'"),
        ("missing.csv", None, None, "there is no file"),
    ],
)
def test_preflight_checks_the_columns(
    ref: str, target: str | None, features: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        preflight(ref, target=target, features=features)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "has no array x; it has 'a'"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4)}, "has 3 rows in x but 4 in y"),
        ({"x": np.zeros(()), "y": np.zeros(4)}, "is a single number"),
        ({"x": np.array([{}, {}], dtype=object), "y": np.zeros(2)}, "holds pickled Python objects"),
    ],
)
def test_preflight_reads_the_headers_of_an_npz(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)  # type: ignore[arg-type]  # its stub mixes arrays up with options
    with pytest.raises(InvalidJob, match=message):
        preflight(str(tmp_path / "data.npz"))


def test_preflight_refuses_a_file_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    for name in ("data.npz", "data.csv.gz"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidJob, match=r"is not an \.npz file"):
        preflight(str(tmp_path / "data.npz"))
    with pytest.raises(InvalidJob, match="cannot be decompressed"):
        preflight(str(tmp_path / "data.csv.gz"))


@pytest.mark.parametrize(
    "content",
    [
        "x;y\n1,5;2\n".encode("utf-16"),
        "größe;label\n1;2\n".encode("cp1252"),
        b"1.5,2\n3.5,4\n",
        b"Report of May\n\nx;label\n1;2\n3;4\n",
        b"sep=;\nx;label\n1;2\n",
    ],
)
def test_preflight_lets_through_what_a_worker_can_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    assert preflight(str(tmp_path / "data.csv"), labelled=False) == str(tmp_path / "data.csv")


def test_preflight_finds_the_columns_of_any_separator(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("size;label\n1,5;2\n2,5;3\n")
    assert preflight(str(tmp_path / "data.csv"))
    with pytest.raises(InvalidJob, match="has no column 'price'; it has 'size', 'label'"):
        preflight(str(tmp_path / "data.csv"), target="price")


def test_preflight_needs_no_target_for_rows_that_are_only_predicted(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.zeros((3, 2)))
    with pytest.raises(InvalidJob, match="does not say which column to predict"):
        preflight(str(tmp_path / "rows.npz"))
    assert preflight(str(tmp_path / "rows.npz"), labelled=False) == str(tmp_path / "rows.npz")


def test_the_target_is_the_one_column_with_a_usual_name() -> None:
    assert select_columns(("a", "class", "b"), None, None, "data") == (("class",), ("a", "b"))
    assert select_columns(("a", "class", "b"), "a", ("b",), "data") == (("a",), ("b",))
    with pytest.raises(InvalidJob, match="found none of them among 'a', 'b'; set target"):
        select_columns(("a", "b"), None, None, "data")
    with pytest.raises(InvalidJob, match=r"found 2 of them \(label, y\)"):
        select_columns(("label", "y"), None, None, "data")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Yes", True),
        (" off ", False),
        ("T", True),
        ("0", False),
        ("Nein", False),
        ("SÍ", True),
        ("maybe", None),
        ("", None),
    ],
)
def test_conventional_words_are_booleans(text: str, meaning: bool | None) -> None:
    assert boolean_of(text) is meaning


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-01", "2024-05-01T00:00:00+00:00"),
        (" 2024-05-01 12:30 ", "2024-05-01T12:30:00+00:00"),
        ("2024-05-01T12:30:15.5Z", "2024-05-01T12:30:15.500000+00:00"),
        ("2024-05-01T12:30:00+02:00", "2024-05-01T10:30:00+00:00"),
        ("20240501", "2024-05-01T00:00:00+00:00"),
        ("2024-05", "2024-05-01T00:00:00+00:00"),
        ("202405", "2024-05-01T00:00:00+00:00"),
        ("202413", None),
        ("981012", None),
        ("2024-13-01", None),
        ("98101234", None),
        ("2024", None),
        ("01.05.2024", None),
        ("soon", None),
    ],
)
def test_times_are_those_of_iso_8601(text: str, moment: str | None) -> None:
    told = time_of(text)
    assert (told and told.isoformat()) == moment
