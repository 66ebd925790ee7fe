"""The check of how artifacts are encrypted."""

from ...errors import StokerError
from ...ledger import store_files
from .check import Check, Finding, System, fail, ok, warn


def _encryption(system: System) -> Finding:
    """What the leading controller's last look through the store has counted, against this machine's keys."""
    try:
        keys = system.settings.store_place.encryption.keys()
    except StokerError as error:
        return fail(error.message)
    looked = system.connection.run(store_files.leftovers())
    plain, encrypted = (looked.plain_files, looked.encrypted_files) if looked else (0, {})
    ours, others = "-".join(sorted(keys.ids)), sum(encrypted.values())
    others -= encrypted.get(ours, 0)
    numbers = {"plain": plain, "right": encrypted.get(ours, 0), "other_keys": others}
    if not keys.ids:
        if others:
            return warn(
                f"{others} files in the store are encrypted, and STOKER_ENCRYPTION_KEY is not set here: jobs that need "
                "them fail here, and what is written is plain",
                numbers,
            )
        return ok("artifacts are not encrypted; STOKER_ENCRYPTION_KEY has them encrypted", numbers)
    if looked is None:
        return ok(
            f"new artifacts are encrypted for {ours}; the controller has not looked through the store yet", numbers
        )
    if plain or others:
        return warn(
            f"{plain} files in the store are plain and {others} are encrypted for other keys than {ours}: "
            "`stoker files reencrypt` encrypts them for these, and may have since the controller looked",
            numbers,
        )
    return ok(f"all {numbers['right']} files in the store are encrypted for {ours}", numbers)


CHECKS = (Check("encryption", _encryption),)
