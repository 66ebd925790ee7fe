"""What a backup's folder holds: names of any kind, copies that stay, and what it may not be beside."""

from pathlib import Path

import pytest

from stoker.backup.contents import check_apart, read_sums, write_sums
from stoker.backup.copying import StoreCopy
from stoker.errors import InvalidArgument
from stoker.models.store import Store
from stoker.models.store.files import Files


def test_names_of_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    sums = dict.fromkeys(("a\rb", "a\nb", "a\\nb", "a\u2028b", "modèle", "\udcff", " a ", "a\x85"), "0" * 64)
    write_sums(tmp_path / "sums", sums)
    assert dict(read_sums(tmp_path / "sums")) == sums


def copied(store: Store, folder: Path) -> StoreCopy:
    copy = StoreCopy(Files(store.url), folder, lambda *_: None)
    copy.run()
    return copy


def test_a_file_that_was_damaged_since_the_last_backup_stays_as_that_has_it(tmp_path: Path) -> None:
    store, folder = Store(str(tmp_path / "store")), tmp_path / "copy"
    artifact = store.put_bytes(b"a model", "model.keras")
    before = copied(store, folder).sums
    damaged = Path(store._path(artifact))
    damaged.write_bytes(b"a mod")
    after = copied(store, folder)
    assert (after.sums, after.kept, after.left_out) == (before, set(before), set())
    assert (folder / damaged.relative_to(store.url)).read_bytes() == b"a model"
    assert copied(store, tmp_path / "other").left_out == set(before)


@pytest.mark.parametrize(("store", "folder"), [("a", "a/b"), ("a/b", "a"), ("a", "a"), ("a", "link")])
def test_neither_of_store_and_backup_is_in_the_other(tmp_path: Path, store: str, folder: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(InvalidArgument, match="one is in the other"):
        check_apart(str(tmp_path / store), tmp_path / folder)
    check_apart(str(tmp_path / store), tmp_path / "ab")
    check_apart("memory://a", tmp_path)
