"""A file of labels is looked at whole before any is sent; what is wrong with it is said with its line."""

import os
import threading
from pathlib import Path

import pytest

from stoker.cli import feedback as command
from stoker.cli.feedback import feedback
from stoker.errors import InvalidArgument
from stoker.ledger.sampling import Feedback

KNOWN = b"digits@3:5f0c8e4b5d1a4b6c9e2f7a8b9c0d1e2f:17"
ROW = KNOWN + b",7\n"
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


class Counting:
    """A client that takes labels in, and notes how many came at a time."""

    sizes: list[int]

    def __enter__(self) -> "Counting":
        self.sizes = []
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def feedback_many(self, labels: list[tuple[str, str]]) -> list[Feedback]:
        self.sizes.append(len(labels))
        return [Feedback.ACCEPTED] * len(labels)


def test_a_long_file_or_a_pipe_is_sent_in_parts_and_never_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Counting()
    monkeypatch.setattr(command, "Client", lambda: client)
    (file := tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + HEAD + ROW * 11_999)
    feedback(file)
    assert client.sizes == [5_000, 5_000, 2_000]
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_bytes, args=(HEAD + ROW * 5_000,))
    writer.start()
    feedback(pipe)
    writer.join()
    assert client.sizes == [5_000, 1]
    assert capsys.readouterr().out == "12000 count\n5001 count\n"
