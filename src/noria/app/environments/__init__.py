"""Environments built from locks: which one a run needs, where it lies, and whether it is what it should be.

In come a project's or a run's lock and the shelf of built environments; out go interpreters to run in and views to
read. It refuses to install anything into the environment that runs noria.
"""
