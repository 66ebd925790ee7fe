-- Finds what lies under keys that jobs share and is of another type than belongs there. Mends nothing.
-- Returns of each the key, the type found, and the type that belongs there.
return misplaced()
