-- Finds what lies under keys that jobs share and is of another type than belongs there. Mends nothing.
-- Answers of each the key, the type found, and the type that belongs there.
return misplaced()
