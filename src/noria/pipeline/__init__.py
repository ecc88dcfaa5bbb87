"""From a declared pipeline to finished steps: what will run, why, and what can be reused.

In come a resolved graph, parameters, an engine and the records of earlier runs; out go finished steps, each durable
before the next begins. It refuses to know where a step runs, what is done with its outputs, and the time of day.
"""
