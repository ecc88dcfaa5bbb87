"""Requests to answers: one process that holds a version's graph, checks what is asked, and logs what it answered.

In come HTTP requests for a model's rows and the labels that arrive later; out go answers with ids, each of them
in the prediction log before it leaves. It refuses to know runs, gates, projects and who moves an alias.
"""
