"""The controller: duties to the ledger, the store and the fleets, done by the one that leads."""
