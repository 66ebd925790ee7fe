"""What is made of a version, before it is compared and placed."""

from dataclasses import dataclass
from pathlib import Path

from stoker.models.exported import ExportFormat
from stoker.models.signature import Signature


@dataclass(frozen=True)
class Built:
    """An export that lies in a folder of the job's own.

    Attributes:
        folder: holds its files, and nothing else.
        path: the model's file; of a SavedModel the same folder.
        signature: what it takes and gives; `TensorSpec.tensor` is the name by which it is called.
        front: what prepares rows for it, a .keras file; None if it takes them as they are.
        front_signature: what that takes and gives; the version's own without a front.
        is_copy: whether it is the registry's own file.
        notes: what is to be known of it, in sentences.
    """

    folder: Path
    path: Path
    format: ExportFormat
    signature: Signature
    front: Path | None
    front_signature: Signature
    is_copy: bool = False
    notes: tuple[str, ...] = ()
