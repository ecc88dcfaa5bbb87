"""Versions, aliases and lineage: what may be served, and what is.

In come what a run froze and a person's or a gate's wish; out come versions and moves of aliases as changes to
append. It refuses to know how a version came about or who serves it.
"""
