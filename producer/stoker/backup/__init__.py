"""Backup and restore of all that a deployment keeps: what Redis holds, and the store; the command line runs them.

The order makes the cut consistent: first nothing is removed from the store any more, then Redis gives a snapshot of one
moment, and then the store is copied. What the snapshot's records name is in the copy, for artifacts are never changed.
"""
