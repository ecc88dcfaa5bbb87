"""Revisions, each with the one before it in `down_revision`; none is edited once it was released."""
