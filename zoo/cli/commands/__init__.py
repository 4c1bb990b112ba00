"""One module for each group of commands; each has `register`, which declares them.

These modules are imported for `zoo --help`, so what is slow is imported in functions.
"""
