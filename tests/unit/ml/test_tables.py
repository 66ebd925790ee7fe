# ruff: noqa: E501  # a table of cases has one a line
"""Tables as people have them: what is read of them, what is said of it, and what is refused."""

import bz2
import gzip
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from stoker import Data, Train
from stoker.errors import InvalidJob
from stoker.models.access import Access
from stoker.models.data import preflight
from stoker_workers.ml import data
from stoker_workers.ml.data import Column, ColumnType, Source, Values
from stoker_workers.ml.data import text as texts
from stoker_workers.ml.reading import read_training_data
from stoker_workers.ml.run import Run

NAN = np.nan
Read = Callable[..., tuple[Source, dict[str, Values]]]


@pytest.fixture(params=[1 << 27, 0], ids=["in memory", "streamed"])
def read(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a file of some content."""
    monkeypatch.setattr(data, "IN_MEMORY_BYTES", request.param)

    def opened(
        content: str | bytes | pa.Table,
        name: str = "t.csv",
        types: dict[str, ColumnType] | None = None,
        **stated: object,
    ) -> tuple[Source, dict[str, Values]]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case str():
                path.write_bytes(content.encode())
            case bytes():
                path.write_bytes(content)
            case _:
                pa.parquet.write_table(content, path)
        return rows_of(Data.model_validate({"ref": tmp_path / name.partition("/")[0], **stated}), types)

    return opened


def rows_of(ref: Data, types: dict[str, ColumnType] | None = None) -> tuple[Source, dict[str, Values]]:
    source = data.open_source(ref, "train", Access(["/"], "/"), Path("/nowhere"), types=types)
    batches = list(source.batches(1_000))
    assert source.rows == sum(len(next(iter(batch.values()))) for batch in batches)
    return source, {
        column.name: np.concatenate([batch[column.name] for batch in batches] or [np.empty(0)])
        for column in source.columns
    }


def seconds(values: Values) -> list[str]:
    return list(map(str, values.astype("datetime64[s]")))


def same(values: Values, expected: list[object]) -> bool:
    if values.dtype.kind == "M":
        return seconds(values) == expected
    return all(value == other or (value != value and other != other) for value, other in zip(values.tolist(), expected))  # noqa: B905  # lengths differ only if a value does


@pytest.mark.parametrize(
    ("cells", "dtype", "expected"),
    [
        (["1", "2", "-3"], "int64", [1, 2, -3]),
        (["1", "", "3"], "float64", [1.0, NAN, 3.0]),
        (["1", "?", "3"], "float64", [1.0, NAN, 3.0]),
        (["1.5", "-", "none"], "float64", [1.5, NAN, NAN]),
        (["1,5", "2,25"], "float64", [1.5, 2.25]),
        (["1.234,5", "17"], "float64", [1234.5, 17.0]),
        (["1,234,567", "2"], "int64", [1_234_567, 2]),
        (["1 234", "17"], "int64", [1234, 17]),
        (["1'234.50", "17"], "float64", [1234.5, 17.0]),
        (["45%", "2.5 %"], "float64", [45.0, 2.5]),
        (["$1,001.50", "-$3", "$ 5"], "float64", [1001.5, -3.0, 5.0]),
        (["−1.5", "1e3", ".5"], "float64", [-1.5, 1000.0, 0.5]),
        (["01234", "12345"], "string", ["01234", "12345"]),
        (["12345678901234567890", "12345678901234567891"], "string", ["12345678901234567890", "12345678901234567891"]),
        (["yes", " no", "no "], "string", ["yes", "no", "no"]),
        (["true", "false"], "string", ["true", "false"]),
        (["x", "NaN", "none"], "string", ["x", None, "none"]),
        (
            ["2024-02-29", "", "2023-01-01"],
            "time",
            ["2024-02-29T00:00:00", "NaT", "2023-01-01T00:00:00"],
        ),
        (["29.02.2024", "01.03.2024"], "time", ["2024-02-29T00:00:00", "2024-03-01T00:00:00"]),
        (["13/02/2024", "01/03/2024"], "time", ["2024-02-13T00:00:00", "2024-03-01T00:00:00"]),
        (["2/13/24 5:06 PM"], "time", ["2024-02-13T17:06:00"]),
        (["2024-01-01T00:30:00+02:00"], "time", ["2023-12-31T22:30:00"]),
        (["Fri, 05 Jan 2024 10:00:00 GMT"], "time", ["2024-01-05T10:00:00"]),
        (["", "NA"], "float64", [NAN, NAN]),
    ],
)
def test_a_column_is_what_all_its_cells_are(cells: list[str], dtype: str, expected: list[object], read: Read) -> None:
    content = "v\tw\n" + "".join(f"{cell}\tx\n" for cell in cells)
    source, rows = read(content, "t.tsv")
    assert source.columns == (Column("v", dtype), Column("w", "string"))
    assert same(rows["v"], expected)


@pytest.mark.parametrize(
    ("content", "stated", "expected", "notes"),
    [
        ("a;b\n1,5;x\n", {}, {"a": [1.5], "b": ["x"]}, ["t.csv: separated by ';', decimal comma"]),
        ("sep=;\na;b\n1;x\n", {}, {"a": [1], "b": ["x"]}, ["t.csv: separated by ';'"]),
        ("Report\n\na,b\n1,x\n2,y\n", {}, {"a": [1, 2], "b": ["x", "y"]}, ["t.csv: what is above line 3 is left out: no row of the table"]),
        ("Report;;\n;;\na;b;c\n1;x;5\n2;y;6\n", {}, {"a": [1, 2], "b": ["x", "y"], "c": [5, 6]}, ["t.csv: separated by ';'", "t.csv: what is above line 3 is left out: no row of the table"]),
        ("1.5,x\n2.5,y\n", {}, {"column_1": [1.5, 2.5], "column_2": ["x", "y"]}, ["t.csv: has no header, so its columns are called column_1 to column_2"]),
        ('a,b\n1,"x\ny"\n2,"say ""hi"""\n', {}, {"a": [1, 2], "b": ["x\ny", 'say "hi"']}, []),
        ("review\nGood, but slow\nBad\nWell, I think, ok\n", {}, {"review": ["Good, but slow", "Bad", "Well, I think, ok"]}, []),
        ('"a","b","c"\n"m",1,2\n"n",3,4\n', {}, {"a": ["m", "n"], "b": [1, 3], "c": [2, 4]}, []),
        ('"b","c"\n"m",1,2\n"n",3,4\n', {}, {"column_1": ["m", "n"], "b": [1, 3], "c": [2, 4]}, []),
        ("a,b,\n1,2,\n3,4,\n", {}, {"a": [1, 3], "b": [2, 4]}, ["column_3: left out, for it has neither name nor values"]),
        (",a\n0,5\n1,6\n", {}, {"a": [5, 6]}, ["'column_1': left out, for it numbers the rows; set columns={'column_1': 'number'} to read it"]),
        ("Unnamed: 0,a\n3,5\n1,6\n", {}, {"a": [5, 6]}, ["'Unnamed: 0': left out, for it numbers the rows; set columns={'Unnamed: 0': 'number'} to read it"]),
        (",a\n0,5\n1,6\n", {"columns": {"column_1": "number"}}, {"column_1": [0, 1], "a": [5, 6]}, []),
        ("a\tb\n1.234\t2\n", {"decimal": ","}, {"a": [1234], "b": [2]}, ["t.csv: separated by tabs", 'a: "1.234" is read with \'.\' as the mark of groups of three digits']),
        ("a b\n1 x\n", {"separator": " "}, {"a": [1], "b": ["x"]}, ["t.csv: separated by spaces"]),
        ("a,b\n-9,x\n1,-9\n", {"missing": "-9"}, {"a": [NAN, 1.0], "b": ["x", None]}, ['a: 50.0 % missing ("-9")', 'b: 50.0 % missing ("-9")']),
        ("a,b\n1,NA\n2,x\n", {"missing": ()}, {"a": [1, 2], "b": ["NA", "x"]}, []),
        ('a,b\n1,5" pipe\n2,x\n', {}, {"a": [1, 2], "b": ['5" pipe', "x"]}, []),
    ],
)  # fmt: skip
def test_a_file_is_read_as_it_is_written_and_that_is_said(
    content: str, stated: dict[str, object], expected: dict[str, list[object]], notes: list[str], read: Read
) -> None:
    source, rows = read(content, **stated)
    assert {name: same(values, expected[name]) for name, values in rows.items()} == dict.fromkeys(expected, True)
    assert list(source.notes) == notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n4,5\n", r"t\.csv, line 3: 1 cells, but the header has 2; correct the line"),
        ('a,b\n"x\ny",2\n3,4,5\n', r"t\.csv, line 4: 3 cells, but the header has 2"),
        ('a,b\n1,x\n2,"y\n3,z\n', r"t\.csv: a quote opened in line 3 is never closed; close it, or set quote=''"),
        ('a,b\n1,"x\n2,"y"\n3,z\n', r"t\.csv: a quote opened in line 2 is never closed"),
        ("a,b\n" + "1,2\n" * 20 + "seven,2\n", r"""t\.csv, line 22, column 'a': "seven" is no number .*missing, .*columns=\{'a': 'category'\}"""),
        ("a;b\n" + "1.5;x\n" * 20 + "1,5;x\n", r"""t\.csv, line 22, column 'a': "1,5" is no number \(the decimal mark is '\.'\)"""),
        ("a,b\n45%,x\n0.45,y\n", r"""t\.csv, line 2, column 'a': "45%" has another unit"""),
        ("a;b\n1.234;x\n", r"""t\.csv, line 2, column 'a': "1\.234" may be 1234 or 1\.234, .*set decimal='\.' or decimal=','"""),
        ("d,b\n" + "2024-01-01,x\n" * 30 + "soon,x\n", r"""line 32, column 'd': "soon" is no time written as year-month-day"""),
        ("a,a\n1,2\n", r"t\.csv names a column twice: 'a'"),
        ("a,b\n1,x\0y\n" + "2,y\n" * 10, "holds zero bytes, so it is no text"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_its_place(content: str, message: str, read: Read) -> None:
    with pytest.raises(InvalidJob, match=message):
        read(content)


@pytest.mark.parametrize(
    ("name", "content", "days"),
    [
        ("t.csv", "d,b\n20240131,x\n20240201,y\n", [20240131, 20240201]),
        ("t.csv", "d,b\n20240131,x\n,y\n", [20240131.0, NAN]),
        ("t.jsonl", '{"d": 20240131}\n{"d": 20240201}\n', [20240131, 20240201]),
        ("t.jsonl", '{"d": 20240131}\n{"d": null}\n', [20240131.0, NAN]),
    ],
)
def test_dates_written_as_numbers_are_read_as_such_for_a_model_that_took_them_for_times(
    name: str, content: str, days: list[object], read: Read
) -> None:
    for stated in ({"types": {"d": "time"}}, {"columns": {"d": "time"}}):
        _, rows = read(content, name, **stated)
        assert same(rows["d"], days)


def test_a_stray_cell_is_a_value_of_a_column_that_is_called_a_category(read: Read) -> None:
    _, rows = read("a,b\n" + "1,2\n" * 20 + "seven,2\n", columns={"a": "category"})
    assert set(rows["a"]) == {"1", "seven"}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "name,v\nŁódź,1\n"),
        ("utf-16", "name,v\nŁódź,1\n"),
        ("utf-16-le", "name,v\nŁódź and others,1\n"),
        ("cp1252", "name,v\n" + "plain,1\n" * 99_999 + "Zürich,2\nnaïve,3\n"),
        ("cp1251", "имя,v\n" + "Москва и Санкт-Петербург,1\nНижний Новгород,2\n" * 9),
    ],
)
def test_text_of_any_encoding_is_read(encoding: str, text: str, read: Read) -> None:
    source, rows = read(text.encode(encoding))
    expected = [line.rpartition(",")[0] for line in text.splitlines()[1:]]
    assert rows[source.columns[0].name].tolist() == expected
    if encoding == "cp1252":
        assert source.notes[0].startswith("t.csv: line 100001 is not UTF-8, so it is read as cp1252 ('Zürich,2')")


@pytest.mark.parametrize(
    ("name", "compressed"),
    [
        ("t.csv.gz", gzip.compress),
        ("t.CSV.bz2", bz2.compress),
        ("t.csv.zst", lambda content: pa.compress(content, codec="zstd", asbytes=True)),
    ],
)
def test_compressed_text_is_read_of_a_whole_file(name: str, compressed: Callable[[bytes], bytes], read: Read) -> None:
    content = compressed(b"a,b\n" + b"1,x\n" * 5_000)
    _, rows = read(content, name)
    assert len(rows["a"]) == 5_000
    with pytest.raises(InvalidJob, match="cannot be decompressed: it is damaged or cut off"):
        read(content[:-9], name)


def test_a_decimal_far_down_makes_a_column_of_decimals(read: Read) -> None:
    _, rows = read("a,b\n" + "1,x\n" * 400_000 + "1.5,x\n")
    assert rows["a"].dtype == np.float64
    assert rows["a"][-1] == 1.5


def test_lines_within_cells_are_read_however_large_the_file_is(read: Read) -> None:
    letters = [f'{row},"Dear Sir,\n\nthis is letter {row}.\n"\n' for row in range(60_000)]
    _, rows = read("n,letter\n" + "".join(letters))
    assert rows["n"].tolist() == list(range(60_000))
    assert rows["letter"][-1] == "Dear Sir,\n\nthis is letter 59999."


def test_keys_of_folders_are_columns(read: Read, tmp_path: Path) -> None:
    (tmp_path / "t" / "year=2023").mkdir(parents=True)
    (tmp_path / "t" / "year=2023" / "a.csv").write_text("v,w\n1,x\n")
    source, rows = read("w,v\ny,2.5\n", "t/year=2024/a.csv")
    assert source.columns == (Column("v", "float64"), Column("w", "string"), Column("year", "int64"))
    assert [rows[name].tolist() for name in ("v", "w", "year")] == [[1.0, 2.5], ["x", "y"], [2023, 2024]]


def test_shards_of_parquet_whose_types_differ_are_read_as_one(read: Read, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    pa.parquet.write_table(pa.table({"v": [1, 2]}), tmp_path / "t" / "a.parquet")
    _, rows = read(pa.table({"v": [1.5]}), "t/b.parquet")
    assert rows["v"].tolist() == [1.0, 2.0, 1.5]
    with pytest.raises(InvalidJob, match=r"column 'v' is double in .*a\.parquet, but string in .*c\.parquet; write it"):
        read(pa.table({"v": ["x"]}), "t/c.parquet")


TYPES: dict[str, ColumnType] = {"code": "string", "ok": "bool", "n": "number", "t": "time"}


def test_truth_of_json_is_0_or_1_where_a_model_takes_numbers(read: Read) -> None:
    source, rows = read('{"ok": true}\n{"ok": null}\n{"ok": false}\n', "t.jsonl", types={"ok": "number"})
    assert source.columns[0].dtype == "float64"
    np.testing.assert_array_equal(rows["ok"], [1, np.nan, 0])


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_column_of_known_type_is_read_as_it(name: str, read: Read) -> None:
    contents: dict[str, str | pa.Table] = {
        "t.csv": "code;ok;n;t\n7;yes;1,5;2024-01-01\n8;no;007;\n",
        "t.jsonl": '{"code": 7, "ok": true, "n": "1.5", "t": "2024-01-01"}\n{"code": 8, "ok": false, "n": 7}\n',
        "t.parquet": pa.table({"code": [7, 8], "ok": ["t", "f"], "n": ["1.5", "7"], "t": ["2024-01-01", None]}),
    }
    source, rows = read(contents[name], name, TYPES)
    assert {column.name: column.dtype for column in source.columns} == {
        "code": "string", "ok": "bool", "n": "float64", "t": "time"
    }  # fmt: skip
    assert rows["code"].tolist() == ["7", "8"]
    assert rows["ok"].tolist() == [True, False]
    assert rows["n"].tolist() == [1.5, 7.0]
    assert seconds(rows["t"]) == ["2024-01-01T00:00:00", "NaT"]


@pytest.mark.parametrize(
    ("content", "types", "message"),
    [
        ("ok,n\ntrue,1\nunknown,2\n", {"ok": "bool"}, r"t\.csv, line 3, column 'ok': 'unknown' is neither true nor false"),
        ("ok,n\nx,1\ny,b\n", {"n": "number"}, r"""t\.csv, line 3, column 'n': "b" is no number"""),
        ("ok,n\nx,2024-01-01\ny,b\n", {"n": "time"}, r"""t\.csv, line 3, column 'n': "b" is no time"""),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_of_the_known_type_is_refused(
    content: str, types: dict[str, ColumnType], message: str, read: Read
) -> None:
    with pytest.raises(InvalidJob, match=message):
        read(content, types=types)


def test_json_lines_are_objects_of_any_keys(read: Read) -> None:
    lines = [
        '{"a": 1, "b": " x", "v": [1, 2], "w": [1], "t": ["a"], "ok": true}',
        '{"a": 2, "b": "", "v": [3, 4], "w": [2, 3], "t": ["b", "c"], "ok": null}',
        '{"a": 3, "b": "007", "v": [5, 6], "w": [], "t": null, "ok": false, "late": 1.5}',
    ]
    source, rows = read("\n".join(lines), "t.jsonl")
    assert source.columns == (
        Column("a", "int64"),
        Column("b", "string"),
        Column("v", "float64", (2,)),
        Column("w", "list"),
        Column("t", "list"),
        Column("ok", "float64"),
        Column("late", "float64"),
    )
    assert rows["b"].tolist() == ["x", None, "007"]
    assert rows["v"].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert [row.tolist() for row in rows["w"]] == [[1.0], [2.0, 3.0], []]
    assert rows["t"].tolist() == [["a"], ["b", "c"], None]
    assert same(rows["ok"], [1.0, NAN, 0.0])
    assert same(rows["late"], [NAN, NAN, 1.5])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": ', r"t\.jsonl, line 22: no JSON in column 7; expected an object"),
        ("[1]", r"t\.jsonl, line 22: list is no object"),
        ('{"a": 1, "a": 2}', r"t\.jsonl, line 22: a key is there twice"),
        ('{"a": "seven"}', r"""t\.jsonl, line 22, 'a': "seven" is of another kind than nearly all of its 21 values"""),
        ('{"a": [1]}', r"t\.jsonl, line 22, 'a': \[1\] is of another kind"),
    ],
)
def test_a_json_line_that_is_wrong_is_refused_by_its_place(line: str, message: str, read: Read) -> None:
    with pytest.raises(InvalidJob, match=message):
        read('{"a": 1}\n' * 20 + f"\n{line}\n", "t.jsonl")


RECORDS = [{"a": 1, "b": "x]"}, {"a": 2, "b": 'é"} ,\n['}, {"a": -3}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2, ensure_ascii=False),
        json.dumps(RECORDS, indent=2).replace("\n", "\r\n") + "\r\n\x1a",
        "\n\n" + "\n".join(json.dumps(record, indent=4) for record in RECORDS) + "\n",
        "\n".join(map(json.dumps, RECORDS)) + "\n\x1a\x1a",
    ],
    ids=["array in a line", "pretty array", "of DOS", "pretty objects", "lines"],
)
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_json_objects_are_read_however_they_are_laid_out(
    text: str, block: int, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "BLOCK_BYTES", block)
    source, rows = read(text, "t.json")
    assert source.columns == (Column("a", "int64"), Column("b", "string"))
    assert rows["a"].tolist() == [1, 2, -3]
    assert rows["b"].tolist() == ["x]", 'é"} ,\n[', None]


def test_a_json_array_without_objects_is_refused(read: Read) -> None:
    with pytest.raises(InvalidJob, match=r"t\.jsonl has no columns; give data with at least one"):
        read("[\n]\n", "t.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n {"a": 1},\n {"a": 2}\n', r"t\.json, line 4: the array has no end: the file is cut off; write it again"),
        ('[\n {"a": 1},\n {"a": 2', r"t\.json, line 3: no JSON in column 9"),
        ('[\n {"a": 1}\n {"a": 2}\n]', r"t\.json, line 3: expected a comma or the end of the array"),
        ('[\n {"a": 1},\n]', r"t\.json, line 3: expected an object behind the comma"),
        ('[\n {"a": 1},\n [2]\n]', r"t\.json, line 3: list is no object"),
        ('[\n {"a": 1}\n]\n{"a": 2}', r"t\.json, line 4: something follows the end of the array"),
        ('[\n {"a": 1},\n {\n "a": 1,\n "a": 2}\n]', r"t\.json, line 3: a key is there twice"),
        ('[\n {"a": tru}\n]', r"t\.json, line 2: no JSON in column 8"),
        ('{\n "a": [1, 2],\n "b": [3, 4]\n}\n', r"t\.json is a single object over several lines; expected an object"),
        ('[\n {"a": 1},\n {"a": "one"}\n,' + '{"a":2},' * 20 + '{"a": 1}]', r"t\.json, line 3, 'a': \"one\" is of an"),
        ("[" * 100_000, r"t\.json, line 1: no JSON"),
    ],
)
def test_json_that_is_wrong_is_refused_by_its_place(text: str, message: str, read: Read) -> None:
    with pytest.raises(InvalidJob, match=message):
        read(text, "t.json")


def test_json_that_is_called_csv_is_refused(read: Read) -> None:
    for text in (json.dumps(RECORDS, indent=1), json.dumps(RECORDS[0]) + "\n"):
        with pytest.raises(InvalidJob, match="is JSON, which format='jsonl' reads, not lines of cells"):
            read(text)
    source, _ = read(json.dumps(RECORDS, indent=1), format="jsonl")
    assert source.rows == 3


@pytest.mark.parametrize("end", ["\r\n\x1a", "\x1a", "\r\n\x1a\x1a\x1a"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_mark_of_dos_at_the_end_of_a_text_is_no_cell(end: str, encoding: str, read: Read) -> None:
    _, rows = read(f"ort,n\r\nKöln,1\r\nUlm,2{end}".encode(encoding))
    assert {name: values.tolist() for name, values in rows.items()} == {"ort": ["Köln", "Ulm"], "n": [1, 2]}
    _, rows = read(f"ort\r\nKöln\r\nUlm{end}".encode(encoding))
    assert rows["ort"].tolist() == ["Köln", "Ulm"]


def test_an_empty_json_list_is_of_the_kind_of_the_others(read: Read) -> None:
    lines = ['{"tags": [], "sizes": [], "none": []}', '{"tags": ["a"], "sizes": [1], "none": []}', '{"tags": []}']
    source, rows = read("\n".join(lines), "t.jsonl")
    assert source.columns == (Column("tags", "list"), Column("sizes", "list"), Column("none", "list"))
    assert [list(row) for row in rows["tags"]] == [[], ["a"], []]


def test_a_json_column_of_lists_and_else_can_be_left_out(read: Read) -> None:
    lines = '{"a": 1, "b": 7}\n' * 20 + '{"a": 2, "b": []}\n'
    with pytest.raises(InvalidJob, match=r"line 21, 'b': \[\] is of another kind .* set columns=\{'b': 'ignore'\}"):
        read(lines, "t.jsonl")
    source, _ = read(lines, "t.jsonl", columns={"b": "ignore"})
    assert source.columns == (Column("a", "int64"), Column("b", "object"))


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather"])
def test_every_type_of_arrow_is_read_or_named(suffix: str, read: Read, tmp_path: Path) -> None:
    table = pa.table(
        {
            "gaps": pa.array([1, None], pa.int32()),
            "text": [" no", "NaN"],
            "kind": pa.array(["u", "v"]).dictionary_encode(),
            "day": pa.array([date(2024, 1, 1), None]),
            "at": pa.array([0, 1], pa.timestamp("ns", "Europe/Berlin")),
            "money": pa.array([1, 2]).cast(pa.decimal128(21, 2)),
            "tokens": [[1, 2], [3]],
            "words": [["a"], None],
            "half": pa.array(np.array([1, 2], np.float16)),
            "nothing": pa.nulls(2),
            "struct": [{"q": 1}, {"q": 2}],
            "__index_level_0__": [5, 3],
        }
    )
    if suffix == "parquet":
        source, rows = read(table, "t.parquet")
    else:
        pa.feather.write_feather(table, tmp_path / f"t.{suffix}")
        source, rows = rows_of(Data(tmp_path / f"t.{suffix}"))
    assert {column.name: column.dtype for column in source.columns} == {
        "gaps": "float64", "text": "string", "kind": "string", "day": "time", "at": "time", "money": "float64",
        "tokens": "list", "words": "list", "half": "float16", "nothing": "float64", "struct": "struct<q: int64>",
    }  # fmt: skip
    assert rows["text"].tolist() == ["no", None]
    assert seconds(rows["day"]) == ["2024-01-01T00:00:00", "NaT"]
    assert rows["at"].dtype == "datetime64[us]"
    assert [row.tolist() for row in rows["tokens"]] == [[1, 2], [3]]
    assert "'__index_level_0__': left out, for it numbers the rows" in source.notes[0]


def test_batches_of_a_column_with_gaps_further_down_have_one_type(read: Read) -> None:
    table = pa.table({"v": pa.array([*range(70_000), None])})
    source, rows = read(table, "t.parquet")
    assert source.columns == (Column("v", "float64"),)
    assert {batch["v"].dtype.name for batch in source.batches(1_000)} == {"float64"}
    assert np.isnan(rows["v"]).sum() == 1


@pytest.mark.parametrize("stored", [pa.string(), pa.dictionary(pa.int8(), pa.string())])
def test_equal_texts_of_a_typed_column_are_one_object_and_gaps_are_counted(stored: pa.DataType, read: Read) -> None:
    cells = pa.array([" red", "blue", None, "red ", "N/A", "blue"] * 2).cast(stored)
    source, values = read(pa.table({"colour": cells, "label": list(range(12))}), "t.parquet")
    assert values["colour"].tolist() == ["red", "blue", None, "red", None, "blue"] * 2
    assert len({id(value) for value in values["colour"][[1, 5]]}) == 1
    assert source.notes == ('colour: 33.3 % missing (empty, "N/A")',)


def test_a_cell_that_goes_on_behind_its_quotes_keeps_them(read: Read) -> None:
    rows = ['"x" y,1,"plain"', '"say ""no""" or not,2,"q, r"', '"z" ,3,"two\nlines"', '"" t,4,""', 'a "b",5,"c "']
    for newline in ("\n", "\r\n"):
        _, columns = read(newline.join(["a,b,c", *rows * 9, ""]))
        assert columns["a"].tolist() == ['"x" y', '"say ""no""" or not', "z", '"" t', 'a "b"'] * 9
        assert columns["b"].tolist() == [1, 2, 3, 4, 5] * 9
        assert columns["c"].tolist() == ["plain", "q, r", "two\nlines", None, "c"] * 9


TEXTS = "text,label\nlabel,yes\nfine,no\ntext,yes\n"


@pytest.mark.parametrize("stated", [{"columns": {"label": "category"}}, {"types": {"text": "string"}}])
def test_a_first_line_with_a_name_that_is_used_is_a_header(stated: dict[str, Any], read: Read) -> None:
    source, _ = read(TEXTS)
    assert [column.name for column in source.columns] == ["column_1", "column_2"]
    source, rows = read(TEXTS, **stated)
    assert [column.name for column in source.columns] == ["text", "label"]
    assert rows["text"].tolist() == ["label", "fine", "text"]


def test_a_job_that_names_a_column_tells_the_header(tmp_path: Path, open_run: Callable[..., Run]) -> None:
    (tmp_path / "t.csv").write_text(TEXTS * 9)
    with pytest.raises(InvalidJob, match="column_1"):
        read_training_data(Train(model="m", data=str(tmp_path / "t.csv")), open_run(), 0)
    (tmp_path / "t.csv").write_text(TEXTS + TEXTS.partition("\n")[2] * 9)
    assert preflight(str(tmp_path / "t.csv"), target="label", features=["text"])
    spec = Train(model="m", data=str(tmp_path / "t.csv"), target="label", features=("text",))
    assert read_training_data(spec, open_run(), 0).profile.target_columns == ("label",)


LONG = 2**53 + 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", f"id,b\n{LONG},x\n,y\n{LONG - 1},z\n"),
        ("t.csv", f'id,b\n"{LONG}",x\n?,y\n{LONG - 1},z\n'),
        ("t.jsonl", f'{{"id": {LONG}}}\n{{"id": null}}\n{{"id": {LONG - 1}}}\n'),
        ("t.parquet", pa.table({"id": pa.array([LONG, None, LONG - 1])})),
        ("t.parquet", pa.table({"id": pa.array([Decimal(LONG), None, Decimal(LONG - 1)], pa.decimal128(20, 0))})),
    ],
)
def test_whole_numbers_that_gaps_would_round_are_kept_as_text(name: str, content: str | pa.Table, read: Read) -> None:
    source, rows = read(content, name)
    expected = [str(LONG), "?" if isinstance(content, str) and "?" in content else None, str(LONG - 1)]
    assert rows["id"].tolist() == expected
    assert any("id: read as text, for 90071992547409" in note for note in source.notes)
    _, rows = read(content, name, columns={"id": "number"})
    assert np.isnan(rows["id"]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", f"id,b\n{LONG},x\n{LONG - 1},z\n"),
        ("t.jsonl", f'{{"id": {LONG}}}\n{{"id": {LONG - 1}}}\n'),
        ("t.parquet", pa.table({"id": [LONG, LONG - 1]})),
    ],
)
def test_whole_numbers_without_gaps_are_exact(name: str, content: str | pa.Table, read: Read) -> None:
    _, rows = read(content, name)
    assert rows["id"].tolist() == [LONG, LONG - 1]


def test_json_numbers_of_more_digits_than_any_column_holds_are_text(read: Read) -> None:
    _, rows = read(f'{{"id": {10**25}, "v": {10**25}}}\n{{"id": {10**25 + 1}, "v": 0.5}}\n', "t.jsonl")
    assert rows["id"].tolist() == [str(10**25), str(10**25 + 1)]
    assert rows["v"].tolist() == [1e25, 0.5]
