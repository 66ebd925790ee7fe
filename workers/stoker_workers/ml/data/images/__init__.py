"""Pictures as data: folders with one folder a class, and tables and records that name or hold them."""

from .columns import with_pictures
from .folder import open_folder
from .source import PictureSource, Wanted

__all__ = ["PictureSource", "Wanted", "open_folder", "with_pictures"]
