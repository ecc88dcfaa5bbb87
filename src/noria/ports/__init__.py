"""Doors to the outside: protocols shaped by the stage that needs them, one file a stage.

In come the sentences of a stage ("the step with this fingerprint, if it ever finished"); out go promises on
atomicity, idempotence and errors that each back end keeps. It refuses to know any back end.
"""
