"""How large a model is: exact parameter counts from a config."""

from racecourse.scaling.count import ParameterCount, count_parameters

__all__ = ["ParameterCount", "count_parameters"]
