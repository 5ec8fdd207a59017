"""`budkavle demo`: starts relay and sandbox, runs the story, and checks that nothing is left."""

import json
import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from console.demo.relay import OutcomeCounts, Relay, outcome_counts
from console.demo.scene import NotTrue, Scene
from console.demo.story import Story, set_the_scene
from console.demo.world import DemoWorld, ForeignIndex
from console.processes import NotReady
from console.stack import IMPATIENT, Stack
from shared.base.redaction import redact, redact_value
from shared.stage.process import stop_signal


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    broker: Annotated[
        str | None,
        typer.Option(envvar="BUDKAVLE_DEMO_BROKER", help="Run it on this broker: amqp://…"),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="BUDKAVLE_DEMO_DATABASE", help="... and this database: postgresql+psycopg://…"
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(help="Use this engagement index: where it takes Update, http://…"),
    ] = None,
    index_hsa_id: Annotated[str, typer.Option(help="The HSA-id of that index.")] = "",
    ingest: Annotated[
        str, typer.Option(help="host:port to which that index's notifications come.")
    ] = "127.0.0.1:8080",
    logical_address: Annotated[
        str, typer.Option(help="The LogicalAddress that they carry.")
    ] = "SE165565594230-1000",
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running; Ctrl-C ends it.")] = False,
) -> None:
    """Show the whole relay at work, from the engagement index to the patient's phone.

    Starts the sandbox and all five stages as real processes in a temporary folder, by default on
    embedded queues and database, and plays a story with them in under a minute. Exit code 0 only
    if every step of it came true. URLs with passwords belong in the environment: every user of a
    machine can read its command lines.
    """
    console = Console(highlight=False)
    scene = Scene(console)
    settings = {**IMPATIENT, "BUDKAVLE_LOGICAL_ADDRESS": logical_address}
    if index:
        settings["BUDKAVLE_INGEST_BIND"] = ingest
    foreign = ForeignIndex(index, index_hsa_id) if index else None
    with tempfile.TemporaryDirectory(prefix="budkavle-demo-") as folder:
        stack = Stack(Path(folder), broker_url=broker, database_url=database, settings=settings)
        try:
            _perform(stack, scene, foreign, keep=keep)
        except (NotTrue, NotReady) as error:
            console.print(f"\n[red bold]The story broke:[/red bold] {error}")
            _show_last_lines(stack, console)
            raise typer.Exit(1) from None
    console.print(f"\n[green bold]All {scene.claims} claims came true.[/green bold]")


def _perform(stack: Stack, scene: Scene, index: ForeignIndex | None, *, keep: bool) -> None:
    relay = Relay(stack.environment)
    try:
        relay.set_up()
        set_the_scene(scene, relay)
        scene.say("\nStarting the sandbox and five stages, each its own process …")
        with stack:
            world = DemoWorld(stack.sandbox["control"], index)
            story = Story(scene, world, relay, lambda: outcome_counts(stack.stages))
            story.play()
            _close(stack, scene, story)
            if keep:
                _keep(stack, scene)
    finally:
        relay.close()


def _close(stack: Stack, scene: Scene, story: Story) -> None:
    scene.chapter("What is left at the end")
    if story.world.has_own_index:
        scene.expect("The index gave nothing up", lambda: not story.world.notifications_lost())
    scene.console.print(_count_table(story.counts()))
    scene.expect("No log line shows a person number", lambda: not _lines_with_persons(stack))


def _count_table(counts: OutcomeCounts) -> Table:
    table = Table("stage", "outcome", "reason", "count", title="Handled, per stage")
    for (stage, outcome, reason), count in counts.items():
        table.add_row(stage, outcome, reason, str(count))
    return table


def _lines_with_persons(stack: Stack) -> list[str]:
    lines = (line for file in stack.log_files() for line in file.read_text().splitlines())
    return [line for line in lines if redact(line) != line]


def _keep(stack: Stack, scene: Scene) -> None:
    inbox, console = stack.serve_inbox(), stack.serve_console()
    scene.say("\nIt goes on running. Ctrl-C ends it. Open in a browser:")
    pages = {"Console": console, "Patient's inbox": inbox, "Sandbox": stack.sandbox["pages"]}
    for name, address in pages.items():
        scene.console.print(f"  {name:<16} {address}", soft_wrap=True)
    scene.say("To join it from another terminal:")
    scene.console.print(f"  . {_write_settings(stack)}", soft_wrap=True)
    scene.say("Addresses and settings:")
    addresses = {"sandbox": stack.sandbox, "stages": stack.stages, "settings": stack.environment}
    scene.console.print_json(json.dumps(redact_value(addresses)))
    stop_signal().wait()


def _write_settings(stack: Stack) -> Path:
    """A file to source in a shell, to work on the same queues, database and sandbox."""
    settings = {**stack.environment, "SANDBOX_CONTROL": stack.sandbox["control"]}
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    file = stack.folder / "settings.sh"
    file.write_text("".join(lines))
    return file


def _show_last_lines(stack: Stack, console: Console) -> None:
    for file in stack.log_files():
        console.print(f"[dim]--- {file.name}, last lines[/dim]")
        console.print("\n".join(file.read_text().splitlines()[-8:]), markup=False)
