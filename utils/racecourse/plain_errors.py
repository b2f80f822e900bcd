"""Errors that a command's user can mend are sentences, not tracebacks."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import typer

F = TypeVar("F", bound=Callable)


def plain_errors(command: F) -> F:
    """Show what the course raises for its user as a sentence and exit 1; any other error keeps its traceback."""

    @wraps(command)
    def run(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort):  # RuntimeErrors, too
            raise
        except (ValueError, OSError, RuntimeError) as error:
            typer.echo(f"racecourse: {error}", err=True)
            raise typer.Exit(1) from error

    return run  # type: ignore[return-value]
