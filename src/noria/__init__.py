"""Noria keeps a machine-learning model in production fresh with the very stream that the model answers.

A user's file needs this module alone: `Pipeline` and `Part` to declare steps as plain functions.
"""

from noria.declare import Part, Pipeline

__all__ = ["Part", "Pipeline"]
__version__ = "0.1.0"
