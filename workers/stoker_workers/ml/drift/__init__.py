"""Whether what a model is asked and answers still looks like what it was judged on.

A column is held against the reference by a distance, of which three things must be true at once: it is above what
windows of the same size drawn from the reference itself reach once in a thousand times, above what matters at all, and
no chance by a test that counts all columns (Holm). What is so in two windows running is drift.
"""
