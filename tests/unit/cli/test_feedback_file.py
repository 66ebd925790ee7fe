"""A file of labels is looked at whole before any is sent; what is wrong with it is said with its line."""

from pathlib import Path

import pytest

from stoker.cli.feedback import feedback
from stoker.errors import InvalidArgument

KNOWN = b"digits@3:5f0c8e4b5d1a4b6c9e2f7a8b9c0d1e2f:17"
HEAD = b"request,label\n" + KNOWN + b",7\n"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"", "must have the columns request and label, got ''"),
        (b"id;label\n", "must have the columns request and label, got 'id;label'"),
        (HEAD + b"banana,7\n", "line 3: 'banana' is no id of a request"),
        (HEAD + KNOWN + b"\n", "line 3: the label is missing"),
        (HEAD + KNOWN + b",\n", "line 3: the label is missing"),
        (HEAD + KNOWN + b",caf\xe9\n", "is no text in UTF-8"),
        (HEAD + KNOWN + b"," + b"x" * 200_000 + b"\n", "line 2: this is no CSV: field larger"),
    ],
)
def test_what_is_wrong_with_a_file_of_labels_is_said_with_its_line(written: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(written)
    with pytest.raises(InvalidArgument, match=told):
        feedback(file)
