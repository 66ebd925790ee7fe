"""Artifacts at rest: encrypted for whom it may concern, told apart when they cannot be read, never left plain."""

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from stoker.errors import InvalidSettings
from stoker.models.encryption import Encryption, Locked, StorePlace, key_id, new_key
from stoker.models.store import Changed, Corrupt, Missing, Store
from stoker.models.store import uploads as uploading
from stoker.models.store.uploads import UploadStore
from stoker.models.uploads import FolderFile, UploadRef, folder_of_files
from stoker.outages import DependencyUnavailable
from stoker.settings import Settings

SECRET = b"the patients' names " * 5_000
CHUNK = 1 << 16


def key(folder: Path, name: str = "artifacts.key") -> Path:
    new_key(folder / name)
    return folder / name


def public(path: Path) -> str:
    return path.read_text().split()[3]


def ids(*paths: Path) -> str:
    return "-".join(sorted(key_id(public(path)) for path in paths))


def both(folder: Path, *paths: Path) -> Path:
    """A file of the identities of several."""
    joined = folder / f"{uuid.uuid4().hex}.key"
    joined.touch(0o600)
    joined.write_text("".join(path.read_text() for path in paths))
    return joined


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


def keyed(url: str, path: Path | None, *recipients: str) -> Store:
    return Store(StorePlace(url, Encryption(str(path) if path else None, recipients)))


def files(store: Store) -> list[str]:
    return [file.path for file in store.stored("")]


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_is_put_is_what_is_read_and_nowhere_plain(url: str, tmp_path: Path) -> None:
    store = keyed(url, path := key(tmp_path))
    (source := tmp_path / "model.keras").write_bytes(SECRET)
    for artifact in (store.put_bytes(SECRET, "rows.npz"), store.put_file(source)):
        assert (artifact.digest, artifact.size) == (hashlib.sha256(SECRET).hexdigest(), len(SECRET))
        assert store.read(artifact) == SECRET
        with store.open(artifact) as opened:
            assert opened.read() == SECRET
        (fetched := tmp_path / "fetched").mkdir(exist_ok=True)
        assert store.fetch(artifact, fetched).read_bytes() == SECRET
        store.verify(artifact)
        assert store.has(artifact)
    for file in store.stored(""):
        stored = store._files.read(file.path)
        assert stored.startswith(b"age-encryption.org/v1\n")
        assert b"patients" not in stored
        assert f"~{ids(path)}~{hashlib.sha256(stored).hexdigest()}.age" in file.path
        assert (file.digest, file.keys) == (artifact.digest, frozenset({ids(path)}))
    store.put_bytes(SECRET, "rows.npz")
    assert len(files(store)) == 2, "the same bytes are stored once"
    store.probe()
    store.delete(artifact)
    assert not store.has(artifact)
    with pytest.raises((Missing, DependencyUnavailable)):
        store.read(artifact)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_every_size_is_read_as_it_was(tmp_path: Path, size: int) -> None:
    store = keyed(str(tmp_path / "store"), key(tmp_path))
    data = os.urandom(size)
    assert store.read(store.put_bytes(data, "data")) == data


def test_a_wrong_key_and_none_are_told_from_each_other_and_from_damage(url: str, tmp_path: Path) -> None:
    right, wrong = key(tmp_path, "right.key"), key(tmp_path, "wrong.key")
    artifact = keyed(url, right).put_bytes(SECRET, "model.keras")
    for store, here in ((keyed(url, wrong), f"has {ids(wrong)}"), (Store(url), "is not set")):
        words = f"encrypted for the keys {ids(right)}, and STOKER_ENCRYPTION_KEY {here}"
        with pytest.raises(Locked, match=words):
            store.read(artifact)
        with pytest.raises(Locked, match=words):
            store.verify(artifact)
    assert Store(url).has(artifact)


def test_each_flipped_byte_is_found_and_is_no_wrong_key(tmp_path: Path) -> None:
    store = keyed(str(tmp_path / "store"), key(tmp_path))
    artifact = store.put_bytes(SECRET, "model.keras")
    path = Path(store.location(artifact))
    stored = path.read_bytes()
    for place in (*range(0, 400, 7), *range(400, len(stored), 9_973), len(stored) - 1):
        damaged = bytearray(stored)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(Corrupt, match="SHA-256 of what is stored is"):
            store.read(artifact)
    for cut in (0, 10, 300, len(stored) - 1):
        path.write_bytes(stored[:cut])
        with pytest.raises(Corrupt):
            store.read(artifact)
    assert store.put_bytes(SECRET, "model.keras") == artifact, "what is put again mends it"
    assert store.read(artifact) == SECRET
    assert len(files(store)) == 1


def test_another_file_under_an_artifacts_name_is_refused_though_it_is_encrypted_well(tmp_path: Path) -> None:
    """Whoever can write the store knows the public key, too."""
    store = keyed(str(tmp_path / "store"), path := key(tmp_path))
    artifact = store.put_bytes(SECRET, "model.keras")
    evil = keyed(str(tmp_path / "evil"), None, public(path)).put_bytes(b"evil", "model.keras")
    encrypted = Path(keyed(str(tmp_path / "evil"), path).location(evil))
    place = Path(store.location(artifact))
    place.unlink()
    encrypted.rename(place.with_name(encrypted.name))
    with pytest.raises(Corrupt, match="its SHA-256 is"):
        store.fetch(artifact, tmp_path)
    assert not (tmp_path / "model.keras").exists()


def test_both_keys_are_valid_while_they_change(url: str, tmp_path: Path) -> None:
    old, new = key(tmp_path, "old.key"), key(tmp_path, "new.key")
    before = keyed(url, old).put_bytes(SECRET, "before")
    changing = keyed(url, both(tmp_path, new, old))
    between = changing.put_bytes(SECRET[1:], "between")
    assert changing.read(before) == SECRET
    for single in (old, new):
        assert keyed(url, single).read(between) == SECRET[1:]
    with pytest.raises(Locked):
        keyed(url, new).read(before)


def test_what_was_plain_is_read_and_what_is_put_again_is_encrypted(url: str, tmp_path: Path) -> None:
    artifact = Store(url).put_bytes(SECRET, "model.keras")
    store = keyed(url, key(tmp_path))
    assert store.read(artifact) == SECRET
    assert store.has(artifact)
    store.put_bytes(SECRET, "model.keras")
    assert sorted(bool(file.keys) for file in store.stored("")) == [False, True]


def test_who_has_only_public_keys_writes_what_others_read(url: str, tmp_path: Path) -> None:
    path = key(tmp_path)
    writer = keyed(url, None, public(path))
    writer.probe()
    artifact = writer.put_bytes(SECRET, "rows.npz")
    assert keyed(url, path).read(artifact) == SECRET
    with pytest.raises(Locked):
        writer.read(artifact)


def test_uploads_of_pieces_and_folders_are_encrypted(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PIECE_BYTES", 1 << 20)
    place = StorePlace(url, Encryption(str(key(tmp_path))))
    store, sent = UploadStore(place), list[int]()
    (path := tmp_path / "rows.csv").write_bytes(os.urandom(1 << 20) * 2 + b"end")
    content = store.content(path)
    (listed := tmp_path / "files.json").write_bytes(
        folder_of_files([FolderFile(path="rows.csv", digest=content.digest, size=content.size)])
    )
    whole = store.content(listed)
    assert len(store.lacks([content, whole])) == 2
    store.put([content, whole], sent.append)
    assert sum(sent) == content.size + whole.size
    assert store.lacks([content, whole]) == []
    ref = UploadRef(whole.digest, "rows.folder")
    assert store.folder_files(ref).files[0].digest == content.digest
    assert store.digests(ref) >= {whole.digest, content.digest}
    assert store.path_of(content.digest) is None
    assert content.size <= store.size_of(content.digest) < content.size + 4096
    store.fetch_to(content.digest, target := tmp_path / "copy")
    assert target.read_bytes() == path.read_bytes()
    assert all(file.keys for file in store.stored(""))
    with pytest.raises(Locked):
        UploadStore(url).fetch_to(content.digest, target)


def test_what_an_upload_is_made_of_is_not_told_without_the_key(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the search for leftovers, at work without the key, would take the pieces for nobody's."""
    monkeypatch.setattr(uploading, "PIECE_BYTES", 1 << 20)
    store = UploadStore(StorePlace(url, Encryption(str(key(tmp_path)))))
    (path := tmp_path / "rows.csv").write_bytes(os.urandom(2 << 20))
    content = store.content(path)
    store.put([content], lambda _: None)
    ref = UploadRef(content.digest, "rows.csv")
    everything = {content.digest, *(piece.digest for piece in content.pieces)}
    assert store.digests(ref) == everything
    (other := tmp_path / "other").mkdir()
    for stranger in (UploadStore(url), UploadStore(StorePlace(url, Encryption(str(key(other)))))):
        if content.pieces:
            with pytest.raises(Locked, match="is encrypted for the keys"):
                stranger.digests(ref)
        else:
            assert stranger.digests(ref) == everything


def test_errors_of_the_file_that_is_read_and_of_the_store_are_raised_as_they_are(tmp_path: Path) -> None:
    store = UploadStore(StorePlace(str(tmp_path / "store"), Encryption(str(key(tmp_path)))))
    (path := tmp_path / "rows.csv").write_bytes(SECRET)
    content = store.content(path)
    path.write_bytes(SECRET[::-1])
    with pytest.raises(Changed, match="has changed while it was read"):
        store.put([content], lambda _: None)
    assert files(store) == []

    class Full:
        def write(self, _data: bytes) -> None:
            raise OSError(28, os.strerror(28))

    artifact = store.put_bytes(SECRET, "data")
    with pytest.raises(DependencyUnavailable, match="no space left"):
        store.pour(artifact.digest, Full())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.chmod(0o640), r"is open to others \(its mode is 0640\): chmod 600"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_text("ssh-ed25519 AAAA\n"), "is no file of age identities"),
        (lambda path: path.write_text(""), "is no file of age identities"),
        (lambda path: path.write_text("AGE-SECRET-KEY-1QQ\n"), "is damaged: copy it again"),
    ],
)
def test_a_file_of_keys_that_cannot_be_used_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(path := key(tmp_path))
    with pytest.raises(InvalidSettings, match=words) as caught:
        keyed(str(tmp_path), path)
    assert "AGE-SECRET" not in caught.value.message or "expected lines" in caught.value.message


def test_keys_that_would_shut_out_whoever_writes_are_refused(tmp_path: Path) -> None:
    own, other = key(tmp_path, "own.key"), key(tmp_path, "other.key")
    with pytest.raises(InvalidSettings, match=f"only {ids(own)}, so that it could not be read again: add age1"):
        keyed(str(tmp_path), own, public(other))
    with pytest.raises(InvalidSettings, match="for 5 keys, at most 4"):
        keyed(str(tmp_path), both(tmp_path, *(key(tmp_path, f"{number}.key") for number in range(5))))
    with pytest.raises(InvalidSettings, match="expected age1"):
        Settings(encryption_recipients=["age1no"])


def test_a_key_as_a_mounted_secret_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = key(tmp_path).read_text()
    (secrets := tmp_path / "secrets").mkdir()
    (secrets / "stoker_encryption_key").write_text(text)
    monkeypatch.setenv("STOKER_SECRETS_DIR", str(secrets))
    settings = Settings(store_url=str(tmp_path / "store"))
    store = Store(settings.store_place)
    assert store.read(store.put_bytes(SECRET, "data")) == SECRET
    secret = text.split()[-1]
    shown = [
        repr(settings),
        str(settings),
        repr(settings.store_place),
        settings.shown("encryption_key"),
        repr(store.__dict__),
    ]
    assert not [each for each in shown if secret in each]
    monkeypatch.setenv("STOKER_ENCRYPTION_RECIPIENTS", secret)
    with pytest.raises(InvalidSettings) as caught:
        Settings()
    assert secret not in caught.value.message
