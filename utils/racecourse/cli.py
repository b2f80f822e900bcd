"""The `racecourse` command: a thin layer that names the course's actions and turns errors into sentences.

Each command imports what it needs when it is called, so `racecourse --help` answers at once. Left out: making the
environment, which must work before this package is installed (utils/bootstrap.py, `make lab`).
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from racecourse.grading.classes.commands import class_app
from racecourse.learn.progress_commands import progress_app
from racecourse.plain_errors import plain_errors

MODEL = "smollm2-135m-instruct"
FIRST_SETS = ("00_start_here", "01_transformers")  # `lab` puts copies of these into work/

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(class_app, name="class")
app.add_typer(progress_app, name="progress")
Name = Annotated[str, typer.Argument(help="a set, such as 01_transformers")]


@app.callback()
def about() -> None:
    """Racecourse: a Jupyter course on how a dense 32B model came level with a 671B mixture of experts."""
    from racecourse.learn.notebooks import without_slow_imports

    without_slow_imports()


@app.command()
@plain_errors
def lab(
    port: Annotated[int, typer.Option(help="the next free one is taken if this is in use")] = 8888,
    browser: Annotated[bool, typer.Option(help="open a browser, where there is one")] = True,
) -> None:
    """Get everything ready and open JupyterLab on lesson 00."""
    from racecourse.lab import get_ready, serve

    raise typer.Exit(serve(get_ready(FIRST_SETS, MODEL), port=port, open_browser=browser))


@app.command()
@plain_errors
def start(name: Name) -> None:
    """Put your own copy of a lesson and its exercises into work/."""
    from racecourse.learn.work import start as start_work

    start_work(name)


@app.command()
@plain_errors
def check(name: Name) -> None:
    """Grade your copy in work/, hidden tests included: points per exercise, what failed and why."""
    from racecourse.grading.checker import check as check_work
    from racecourse.learn.progress import record_report

    record_report(check_work(name))


@app.command()
@plain_errors
def grade(
    name: Name,
    source: Annotated[Path | None, typer.Argument(help="a folder of submissions, or a zip from an LMS")] = None,
    workers: Annotated[int | None, typer.Option(help="notebooks at once; one more than cores if left out")] = None,
    seconds: Annotated[int, typer.Option(help="the most that one cell or one check may take")] = 60,
    isolation: Annotated[str, typer.Option(help="sandbox; none: students' code can do what you can")] = "sandbox",
    drop: Annotated[list[str] | None, typer.Option(help="a cell that is gone: its marks by hand may go")] = None,
    of_class: Annotated[Path | None, typer.Option("--class", help="its directory; else the one you are in")] = None,
    scheduler: Annotated[str | None, typer.Option(help="a Dask cluster that grades: tcp://host:8786")] = None,
) -> None:
    """Grade a class: what lies in submitted/, or the folder or zip that you name. Goes on where it was stopped."""
    from racecourse.grading.autograde import grade_and_show

    grade_and_show(
        name, source, workers=workers, seconds=seconds, isolation=isolation, drop=drop or [], of_class=of_class,
        scheduler=scheduler,
    )  # fmt: skip


@app.command()
@plain_errors
def build(
    names: Annotated[list[str] | None, typer.Argument(help="only these topics; all of them if left out")] = None,
    execute: Annotated[bool, typer.Option("--execute", help="run every lesson again, changed or not")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="run lessons at their smallest settings")] = False,
) -> None:
    """Build lessons/, solutions/ and exercises/ from sources/."""
    from racecourse.learn.notebooks import build as build_notebooks
    from racecourse.learn.notebooks import course_root

    written = build_notebooks(names or None, execute=execute, quick=quick)
    for path in written:
        typer.echo(f"wrote {path.relative_to(course_root())}")
    if not written:
        typer.echo("everything is up to date")


@app.command()
@plain_errors
def site(
    check_links: Annotated[bool, typer.Option("--check-links", help="only ask the other sites they link to")] = False,
) -> None:
    """Make the course as pages to read without a network, in build/site/html."""
    from racecourse.learn.site import build_site, check_links_out

    if check_links:
        check_links_out()
    else:
        typer.echo(f"open {build_site() / 'index.html'}")


@app.command()
@plain_errors
def fetch(name: Annotated[str, typer.Argument(help="a model, such as smollm2-135m-instruct")] = MODEL) -> None:
    """Put a model into the cache, for work without a network."""
    from racecourse.models.zoo import fetch as fetch_model

    typer.echo(f"{name} is in {fetch_model(name)}")


@app.command()
def doctor() -> None:
    """Say what works on this machine and what to do about the rest."""
    from racecourse.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(str(finding))
    raise typer.Exit(1 if any(finding.state == "problem" for finding in findings) else 0)


@app.command()
@plain_errors
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="only these; all of benchmarks/ if left out")] = None,
) -> None:
    """Run the side-by-side benchmarks and print their tables."""
    from racecourse.learn.notebooks import course_root

    there = {path.stem: path for path in sorted(Path(course_root(), "benchmarks").glob("[!_]*.py"))}
    unknown = [name for name in names or [] if name not in there]
    if unknown:
        raise ValueError(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(there) or 'none'}")
    statuses = []
    for name in names or there:
        typer.echo(f"\nbenchmarks/{name}.py")
        statuses.append(subprocess.run([sys.executable, str(there[name])]).returncode)
    raise typer.Exit(1 if any(statuses) else 0)


@app.command()
@plain_errors
def test(
    paths: Annotated[list[str] | None, typer.Argument(help="such as tests/test_cli.py; all if left out")] = None,
    everything: Annotated[bool, typer.Option("--all", help="slow tests too: full-size notebooks and training")] = False,
) -> None:
    """Run the tests."""
    from racecourse.upkeep import test as run_tests

    raise typer.Exit(run_tests(paths or [], everything=everything))


@app.command()
@plain_errors
def lint() -> None:
    """Check style and types with ruff and mypy."""
    from racecourse.upkeep import lint as run_lint

    raise typer.Exit(run_lint())


@app.command()
@plain_errors
def lock() -> None:
    """Pin the newest versions again in the two requirements*.lock files."""
    from racecourse.upkeep import lock as write_locks

    raise typer.Exit(write_locks())


@app.command()
@plain_errors
def checkpoints() -> None:
    """Train the models that come with the course again, and the recorded runs (more than an hour)."""
    from racecourse.upkeep import checkpoints as train

    raise typer.Exit(train())


@app.command()
@plain_errors
def latest() -> None:
    """Try the newest versions of all dependencies in an environment that is thrown away, and say what broke."""
    from racecourse.upkeep import latest as try_latest

    raise typer.Exit(try_latest())
