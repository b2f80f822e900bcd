"""How large a model is, what a token costs, and what more parameters or more data would buy."""

from racecourse.scaling.count import ParameterCount, count_parameters

__all__ = ["ParameterCount", "count_parameters"]
