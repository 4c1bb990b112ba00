"""What each check of the contract suite looks at, as plain functions.

A check raises :class:`zoo.testing.ContractViolation`, whose message names the fault and what
to do, or `unittest.SkipTest` where it cannot tell.
"""
