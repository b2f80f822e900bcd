"""Agents: a model that uses tools in steps, jobs that outlive the notebook, and the scorer that says how well it went.

>>> from racecourse.agents import gaia_score
>>> gaia_score(answer="$1,700", truth="1700")
True
"""

from racecourse.agents.gaia import Task, gaia_score, possible_counts, read_tasks

__all__ = ["Task", "gaia_score", "possible_counts", "read_tasks"]
