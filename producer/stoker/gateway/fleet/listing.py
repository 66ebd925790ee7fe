"""What has been used, of which a key may see but a part."""

from collections.abc import Sequence
from datetime import timedelta

from ... import Usage
from ...client.aio import AsyncClient
from ...client.using import Dimension
from ..auth.keys import ApiKey
from ..auth.scopes import ALL, sees_model, sees_tenant
from ..problems import Problem


async def visible_usage(key: ApiKey, client: AsyncClient, by: Dimension, within: timedelta) -> Sequence[Usage]:
    """What the tenants, kinds or models that a key sees have used within some time.

    Raises:
        Problem: 403: the key is for some tenants, and usage by anything else is of all.
    """
    if key.tenants != ALL and by != "tenant":
        why = f"key {key.id} ({key.name}) is for some tenants, and usage by {by} is of all: ask for by=tenant"
        raise Problem(403, "Forbidden", why)
    used = await client.usage(by, within)
    match by:
        case "tenant":
            return [each for each in used if sees_tenant(key, each.name)]
        case "model":
            return [each for each in used if sees_model(key, each.name)]
        case "kind":
            return used
