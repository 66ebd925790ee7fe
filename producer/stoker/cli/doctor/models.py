"""Checks of the models: records that cannot be read, and versions that no worker can load."""

from ...lanes.failures import load_failures
from ...ledger import registry
from ...models.store import Store
from .check import Check, Finding, System, fail, ok, warn

# How many versions a finding names.
_NAMED = 10
# Each file is a question to the store.
_MOST_LOOKED_AT = 50


def _records(system: System) -> Finding:
    catalogue = system.connection.run(registry.catalogue())
    numbers = {"versions": len(catalogue.versions), "damaged": len(catalogue.damaged)}
    if catalogue.damaged:
        flaws = "; ".join(damaged.reason for damaged in catalogue.damaged)
        return fail(f"{flaws}: restore Redis from a backup, or remove these records and train again", numbers)
    return ok(f"{len(catalogue.versions)} versions", numbers)


def _loading(system: System) -> Finding:
    failures = system.connection.run(load_failures())
    if failures:
        reasons = "; ".join(failure.as_error().message for failure in failures)
        numbers = {failure.model: failure.failures for failure in failures}
        return fail(f"callers of {len(failures)} are refused: {reasons}", numbers)
    return ok("none has failed")


def _engines(system: System) -> Finding:
    """Which of the versions that an alias serves no quicker engine than TensorFlow computes, and why."""
    versions = [version for version in system.connection.run(registry.catalogue()).versions if version.aliases]
    alone = [version for version in versions if version.tensorflow_why]
    numbers = {"served": len(versions), "tensorflow_alone": len(alone)}
    if not alone:
        return ok("no version with an alias is known to need TensorFlow", numbers)
    named = "; ".join(f"{version.ref}, for {version.tensorflow_why}" for version in alone[:_NAMED])
    more = f"; and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
    return ok(f"TensorFlow alone computes {named}{more}; others may run on LiteRT or ONNX Runtime", numbers)


def _files(system: System) -> Finding:
    """Whether the store has what the newest versions that an alias serves are made of."""
    served = [version for version in system.connection.run(registry.catalogue()).versions if version.aliases]
    store = Store(system.settings.store_place)
    looked_at = sorted(served, key=lambda version: version.created_at, reverse=True)[:_MOST_LOOKED_AT]
    gone = [version.ref for version in looked_at if not all(map(store.has, version.files.values()))]
    numbers = {"looked_at": len(looked_at), "gone": len(gone)}
    if not gone:
        return ok(f"the store has those of {len(looked_at)} versions with an alias", numbers)
    named = ", ".join(gone[:_NAMED]) + (f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else "")
    return warn(
        f"the store lacks those of {named}, whose jobs fail and whose callers are refused: is it this ledger's, and "
        "mounted? Mount it, or restore it from a backup",
        numbers,
    )


CHECKS = (Check("models", _records), Check("files", _files), Check("loading", _loading), Check("engines", _engines))
