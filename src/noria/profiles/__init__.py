"""What a table looks like, and what in new data is not as it was.

In come tables and profiles; out go profiles and findings, the same bytes for the same rows in any order. It refuses to
know pipelines, runs and stores.
"""

from noria.profiles.changes import changes, found_alone, volume
from noria.profiles.overlap import later_than, shared_keys
from noria.profiles.profile import profile

__all__ = ["changes", "found_alone", "later_than", "profile", "shared_keys", "volume"]
