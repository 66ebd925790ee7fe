"""Removes the versions of models that no rule of the settings keeps."""

import logging
from collections import Counter
from collections.abc import Mapping

from stoker.lanes import failures
from stoker.ledger import model_changes, registry
from stoker.models.retention import Removal, Retention, retention_of
from stoker.redis.calls import drive
from stoker.redis.connection import Connection

from .duties import for_each

_log = logging.getLogger(__name__)


def remove_old_versions(connection: Connection, rules: Mapping[str, Retention]) -> None:
    """Remove them model by model; what is in use stays, as `Client.keep_versions` says. Without rules, does nothing.

    Raises:
        ExceptionGroup: what could not be removed, when every model has had its turn.
    """
    if not rules:
        return
    counts = Counter(version.name for version in connection.run(registry.versions()))

    def remove(name: str) -> None:
        rule = retention_of(name, rules)
        # All of the registry and the unfinished jobs are read for a model: not where nothing can go.
        if rule and counts[name] > rule.keep:
            steps = model_changes.keep_versions(name, rule.keep, "retention")
            removal: Removal = drive(steps, connection.run)
            if removal.removed:
                connection.run(failures.forget(removal.removed))
                _log.info("model %s: %d versions are kept, removed %s", name, rule.keep, ", ".join(removal.removed))

    for_each(sorted(counts), remove)
