"""`python -m stoker_workers.controller`: one controller, as `stoker controller` starts it."""

from .controller import main

main()
