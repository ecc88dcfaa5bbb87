"""What a user's file says: plain functions with roles, in training and in the service alike.

In come decorated functions; out goes a resolved graph, or an error that names function, file and line.
It refuses to know tables, models, stores and clocks: importing it costs next to nothing.
"""

from noria.declare.fanout import Cut, FanOut
from noria.declare.pipeline import Part, Pipeline
from noria.declare.resolve import Resolved, resolve
from noria.declare.running import Each, Mapped, Partition, Resources, Running
from noria.declare.steps import DataSpec, ExpectSpec, LossSpec, PredictSpec, Role, Step, StepSpec
from noria.declare.where import Where

__all__ = [
    "Cut",
    "DataSpec",
    "Each",
    "ExpectSpec",
    "FanOut",
    "LossSpec",
    "Mapped",
    "Part",
    "Partition",
    "Pipeline",
    "PredictSpec",
    "Resolved",
    "Resources",
    "Role",
    "Running",
    "Step",
    "StepSpec",
    "Where",
    "resolve",
]
