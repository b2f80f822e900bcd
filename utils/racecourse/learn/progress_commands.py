"""`racecourse progress`: what the learner has done, and the file that takes it to another machine."""

from pathlib import Path
from typing import Annotated

import typer

from racecourse.plain_errors import plain_errors

progress_app = typer.Typer(invoke_without_command=True, help="What you have done; take it to another machine.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="such as progress.json")]


@progress_app.callback()
@plain_errors
def show(
    context: typer.Context,
    only: Annotated[str | None, typer.Option("--set", help="one lesson and its set, such as 01_transformers")] = None,
) -> None:
    """What you have done: per lesson and exercise, with tries, hints, points and minutes."""
    if context.invoked_subcommand is None:
        from racecourse.learn.progress import progress

        typer.echo(repr(progress(only)))


@progress_app.command()
@plain_errors
def export(path: File) -> None:
    """Write all of it into one file."""
    from racecourse.learn import progress

    typer.echo(f"wrote {progress.export(path)} events to {path}; there: racecourse progress import {path.name}")


@progress_app.command(name="import")
@plain_errors
def import_(path: File) -> None:
    """Add what another machine has exported. Nothing that is here is lost, and twice is the same as once."""
    from racecourse.learn import progress

    typer.echo(f"{progress.import_(path)} new events from {path}")
