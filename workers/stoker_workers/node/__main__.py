"""`python -m stoker_workers.node`: the agent of a node, as `stoker worker` starts it."""

import sys

from .agent import main

sys.exit(main())
