"""The command `stforecast` and its subcommands, each loaded only when it is called."""

import difflib
import gc
import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from stforecast._version import __version__
from stforecast.cli.session import guarded

_COMMANDS = (
    "ingest",
    "train",
    "calibrate",
    "forecast",
    "verify",
    "plot",
    "compare",
    "new",
    "info",
    "check",
    "import-weights",
    "models",
    "profile",
)


class Program(click.Group):
    """A group whose commands are modules of the same name, and whose errors are one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"stforecast.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        near = difflib.get_close_matches(name, _COMMANDS, n=1)
        if near and name not in _COMMANDS:
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]}?")
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        inner = super().main
        status = guarded(
            lambda session: inner(
                args,
                prog_name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **{**extra, "obj": session},
            )
        )
        sys.exit(status)


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""Five commands go the whole way, here on the built-in demo (annual temperatures over
North America, about two minutes):

\b
    stforecast ingest
    stforecast train
    stforecast forecast --horizon 4
    stforecast verify
    stforecast plot

With data of your own, start with an experiment file filled from them:

\b
    stforecast new rain --data rain/*.nc
    stforecast ingest -c rain.yaml
""",
)
@click.version_option(__version__, prog_name="stforecast")
def program() -> None:
    """Forecasts of gridded flows, traffic and weather, from raw files to georeferenced maps.

    An experiment file says which data, which samples, which model and how long to train. Commands
    take it with -c FILE; without, ./stforecast.yaml is taken if there is one, else the built-in
    demo. Outputs go to runs/NAME/.
    """


def run() -> NoReturn:
    """Entry point of the command `stforecast`."""
    try:
        program.main(prog_name="stforecast")
    finally:
        # all that was imported is let go of without a search for garbage in it, which takes longer
        # than many a command
        gc.freeze()
