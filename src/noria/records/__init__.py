"""Frozen nouns: what one stage hands to the next, and what is stored for ever.

In come plain values; out go immutable records with one canonical JSON form and a BLAKE3 digest.
It refuses to know any stage, any store and any clock.
"""
