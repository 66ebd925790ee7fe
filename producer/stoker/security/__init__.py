"""What holds against those who reach Redis or the store: keys and signatures, and the audit.

`keys` are files; `signing` is what a key says of something, and how that is checked; `roles` is what a key may; and
`signatures` is all of it for one set of settings. `cryptography` is imported when the first key is read.
"""
