"""Files of jobs: what is no file of jobs is refused at once, in one line, however it is built."""

import json
from pathlib import Path

import pytest

from stoker import InvalidJob, Train
from stoker.cli.job_file import read_specs

from ... import commands

JOB = "{kind: train, model: m, data: 'sample://iris'}"
BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "more than 1,000,000 values"),
        ("&a [*a]", r"circular: \*a stands within &a"),
        ("kind: train\ntags: &t {x: {y: *t}}", "circular"),
        ("[" * 10_000 + "]" * 10_000, "nested deeper than 100"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "nested deeper than 100"),
        ("{kind: train", "neither YAML nor JSON"),
        ("[*nobody]", "neither YAML nor JSON"),
        ("kind: 2026-99-99", "cannot read"),
        ("", "a job"),
        ("[]", "has no jobs"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "jobs.yaml").write_text(text)
    with pytest.raises(InvalidJob, match=told) as refused:
        read_specs(tmp_path / "jobs.yaml")
    assert len(refused.value.message.splitlines()) == 1
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/urandom"])
def test_an_endless_file_is_too_large(file: str) -> None:
    with pytest.raises(InvalidJob, match="larger than 16 MiB"):
        read_specs(Path(file))


@pytest.mark.parametrize("place", ["nothing-here.yaml", "."])
def test_what_cannot_be_read_says_why(tmp_path: Path, place: str) -> None:
    with pytest.raises(InvalidJob, match=r"cannot read .*: (No such file|Is a directory)"):
        read_specs(tmp_path / place)


def test_aliases_may_save_words(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(f"- &base {JOB}\n- {{<<: *base, epochs: 3}}\n- *base\n")
    specs = read_specs(tmp_path / "jobs.yaml")
    assert [spec.epochs for spec in specs if isinstance(spec, Train)] == [10, 3, 10]


def test_a_refused_file_is_bad_usage_with_one_line_and_one_document() -> None:
    told = commands.run("submit", "/dev/zero", "--json")
    assert told.returncode == 2
    assert json.loads(told.stdout) == {
        "error": "InvalidJob",
        "message": told.stderr.removeprefix("error: ").rstrip("\n"),
    }
