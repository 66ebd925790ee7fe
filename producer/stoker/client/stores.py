"""Whether the store that a client writes to can be the one that workers read."""

from ..errors import Unavailable
from ..ledger import store_files
from ..models.access import shown
from ..models.store import Store
from ..redis.calls import Steps


def require(store: Store) -> Steps[None]:
    """Refuse a folder that is not mounted: what is written there is seen by no worker.

    A folder of its own for each machine, in which there already is something, is not noticed.

    Raises:
        Unavailable: it is empty, and Redis knows of models or uploads.
    """
    # Looked at again: what was known of in between was written before.
    if store.is_empty_folder() and (yield store_files.are_known()) and store.is_empty_folder():
        raise Unavailable(elsewhere(store))


def elsewhere(store: Store) -> str:
    """What is said of an empty store whose files Redis knows of."""
    return (
        f"the artifact store {shown(store.url)} is empty on this machine, but there are models or uploads whose files "
        "are in the store: mount it here, or set STOKER_STORE_URL to where the workers have it"
    )
