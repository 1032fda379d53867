"""The program itself: its commands, and what it says of others."""

import click
import pytest
from click.testing import CliRunner

from stforecast.cli.main import program


def test_every_command_is_told_in_one_whole_line() -> None:
    told = CliRunner().invoke(program, ["--help"], terminal_width=80).stdout
    commands = told.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(commands) == len(program.list_commands(click.Context(program)))
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trian", "No such command 'trian'. Did you mean train?"),
        ("verfy", "No such command 'verfy'. Did you mean verify?"),
        ("xyz", "No such command 'xyz'."),
    ],
)
def test_a_command_that_there_is_not(word: str, said: str) -> None:
    result = CliRunner().invoke(program, [word])
    assert result.exit_code == 2
    assert f"Error: {said}\n" in result.stderr
