"""`Data`: a reference, and how to read its files, as a part of specs."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

import stoker
from stoker.errors import InvalidJob
from stoker.kinds import parse_spec, read_spec
from stoker.models.formats import format_by_suffix


def test_a_plain_reference_stays_a_text() -> None:
    for data in ("a.csv", " a.csv ", Path("a.csv"), b"a.csv".decode()):
        spec = stoker.Infer.model_validate({"model": "m", "data": data})
        assert spec.data == "a.csv"
        assert '"data":"a.csv"' in spec.model_dump_json()


def test_data_come_back_from_json_as_they_were() -> None:
    data = stoker.Data("a.csv", separator=";", missing="-9", encoding="latin-1", columns={"zip": "category"})
    for spec in (
        stoker.Train(model="m", data=data, validation_data=data),
        stoker.Evaluate(model="m", data=data),
        stoker.Compare(models=("m", "n"), data=data),
        stoker.Infer(model="m", data=data),
    ):
        assert read_spec(spec.model_dump_json()) == spec
    assert data.missing == ("-9",)
    assert data.encoding == "iso8859-1"
    assert str(data) == "a.csv"


def test_a_job_file_may_say_how_to_read_its_data() -> None:
    spec = parse_spec(
        {"kind": "infer", "model": "m", "data": {"ref": "a.csv", "decimal": ",", "columns": {"id": "ignore"}}}
    )
    assert spec == stoker.Infer(model="m", data=stoker.Data("a.csv", decimal=",", columns={"id": "ignore"}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "Infer.data: 5 is not allowed: .*expected a path or URL, or Data"),
        ("", "Infer.data: '' is not allowed"),
        ({"path": "a.csv"}, "Data.ref is missing"),
        ({"ref": "a.csv", "separatr": ";"}, "Data has no field 'separatr': did you mean 'separator'"),
        ({"ref": "a.csv", "separator": ";;"}, "Data.separator"),
        ({"ref": "a.csv", "encoding": "utf-99"}, "no encoding of this name is known"),
        ({"ref": "a.csv", "columns": {"id": "skip"}}, "Data.columns.id"),
    ],
)
def test_data_that_are_none_are_refused_in_a_sentence(data: object, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        stoker.Infer.model_validate({"model": "m", "data": data})


def test_a_format_is_known_by_its_suffix() -> None:
    known = {
        "a.csv": "csv", "a.TSV": "csv", "a.csv.gz": "csv", "a.jsonl.zst": "jsonl", "a.feather": "arrow",
        "a.tfrecord.gz": "tfrecord", "a.parquet": "parquet", "a.parquet.gz": None, "a.gz": None, "a": None,
    }  # fmt: skip
    assert {name: format_by_suffix(name) for name in known} == known


def test_data_have_a_schema() -> None:
    assert "separator" in str(TypeAdapter(stoker.Data).json_schema())
