"""Many rows at once: out of files, through a version's own serving graph, into files.

In come a version and the addresses of an input and an output; out go parts in the input's order, a manifest that says
what each was made of, and one event. It refuses to know which engine performs the parts and where the files lie.
"""
