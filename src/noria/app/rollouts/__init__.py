"""Rollouts as a user has them: begun, looked at, changed by hand, and driven from the log, the service and the labels.

In come a project's app and what a person or the loop wants; out go events, a service's routing, and a standing to show.
What is to happen is decided in `noria.rollout`, which knows nothing of all this.
"""
