"""What the ledger replies to workers."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why a claim was refused."""

    MISSING = "missing"
    UNFIT = "unfit"
    UNKNOWN = "unknown"
    DAMAGED = "damaged"
    TAKEN = "taken"


class ReportReply(StrEnum):
    """The ledger's reply to a report."""

    OK = "ok"
    CANCEL = "cancel"
    PAUSE = "pause"
    LOST = "lost"


class CommitReply(StrEnum):
    """The ledger's reply to a commit."""

    OK = "ok"
    LOST = "lost"
    VERSION_TAKEN = "version"
    VERSION_GONE = "gone"
