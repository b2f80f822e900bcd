"""Agents: a model that uses tools in steps, jobs that outlive the notebook, and the scorer that says how well it went.

>>> from racecourse.agents import gaia_score
>>> gaia_score(answer="$1,700", truth="1700")
True
"""

from racecourse.agents.documents import Document, Hit, offline_tasks, search
from racecourse.agents.evaluation import Score, recorded_scores, score
from racecourse.agents.gaia import Task, gaia_score, possible_counts, read_tasks
from racecourse.agents.jobs import Job, attach, set_limit, submit
from racecourse.agents.loop import Agent, Budget, Proposal, Step, Transcript
from racecourse.agents.tools import Tool, ToolError, standard_tools

__all__ = [
    "Agent",
    "Budget",
    "Document",
    "Hit",
    "Job",
    "Proposal",
    "Score",
    "Step",
    "Task",
    "Tool",
    "ToolError",
    "Transcript",
    "attach",
    "gaia_score",
    "offline_tasks",
    "possible_counts",
    "read_tasks",
    "recorded_scores",
    "score",
    "search",
    "set_limit",
    "standard_tools",
    "submit",
]
