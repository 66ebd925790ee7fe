"""The end of uploads: one whose time is over is forgotten, unless a record or a version names it."""

from collections.abc import Iterator, Set

from stoker.errors import InvalidJob
from stoker.ledger import clock, uploads
from stoker.models.encryption import StorePlace
from stoker.models.store.uploads import UploadStore
from stoker.models.uploads import UploadRef, parse_upload
from stoker.redis.calls import drive
from stoker.redis.connection import Connection


def living_uploads(place: StorePlace, connection: Connection, named: Set[bytes]) -> Iterator[set[bytes]]:
    """The digests of all artifacts that each upload is made of, as long as it is kept; forgets those that are not.

    Args:
        named: the digests that records and versions name.

    Raises:
        Unavailable: the store is away: what a folder is made of is not known then.
    """
    store, now = UploadStore(place), connection.run(clock.now())
    for ref, expires_at in drive(uploads.lifetimes(), connection.run).items():
        upload = _parsed(ref)
        if expires_at is None:
            connection.run(uploads.use(ref))
        is_over = expires_at is not None and expires_at < now and not (upload and upload.digest.encode() in named)
        # Who uses it at this moment has begun its time anew.
        if upload and not (is_over and connection.run(uploads.forget(ref, before=now))):
            yield {digest.encode() for digest in store.digests(upload)}


def _parsed(ref: str) -> UploadRef | None:
    try:
        return parse_upload(ref)
    except InvalidJob:
        return None
