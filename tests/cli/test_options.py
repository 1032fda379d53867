"""Options that take every word up to the next option."""

import click
import pytest
from click.testing import CliRunner

from stforecast.cli.options import TakesFiles, files_option


@click.command("show", cls=TakesFiles)
@click.argument("name", required=False)
@files_option("--data", "files", help="files")
@click.option("--other")
@click.option("-f", "--flag", is_flag=True)
def show(name, files, other, flag):
    click.echo(repr((name, files, other, flag)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], ("a", (), None, False)),
        (["a", "--data", "x"], ("a", ("x",), None, False)),
        (["a", "--data", "x", "y", "z"], ("a", ("x", "y", "z"), None, False)),
        (["--data", "x", "y", "--other", "o", "a"], ("a", ("x", "y"), "o", False)),
        (["--data", "x", "-f", "a"], ("a", ("x",), None, True)),
        (["--data=x", "a"], ("a", ("x",), None, False)),
        (["--data", "x", "--data", "y", "z"], (None, ("x", "y", "z"), None, False)),
        (["--data", "x", "--", "-a"], ("-a", ("x",), None, False)),
    ],
)
def test_words_up_to_the_next_option(words, expected):
    result = CliRunner().invoke(show, words)
    assert result.output == f"{expected!r}\n"


def test_an_option_without_files_is_refused():
    assert CliRunner().invoke(show, ["--data"]).exit_code == 2
