"""Checks of the models: records that cannot be read, and versions that no worker can load."""

from ...lanes.failures import load_failures
from ...ledger import registry
from .check import Check, Finding, System, fail, ok


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


CHECKS = (Check("models", _records), Check("loading", _loading))
