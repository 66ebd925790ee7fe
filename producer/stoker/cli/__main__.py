"""`python -m stoker.cli` is `stoker`."""

from . import main

main()
