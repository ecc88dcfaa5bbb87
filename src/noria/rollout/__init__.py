"""The change of a service from one version to another, as a state machine over what is observed.

In come a rollout's record and one look at it (counts of units, answers, losses, the table that holds); out go its next record,
the table that it wants, and each metric's verdict with its interval, its e-value and how much more it needs.
It refuses to know services, logs, stores and clocks: whoever drives it brings them through one door (`drive.Door`).
"""
