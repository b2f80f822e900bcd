"""Racecourse: build both kinds of model, teach them to reason, size the hardware, give an agent a job.

Importing the package loads nothing heavy: torch, matplotlib and the rest are imported by the room that needs them.
"""

__version__ = "0.3.0"
