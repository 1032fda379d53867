"""The frame of the command line: help, errors, warnings, and what is not loaded."""

import errno
import subprocess
import sys
import warnings

import click
import pytest
from click.testing import CliRunner

from stforecast._version import __version__
from stforecast.cli.main import program
from stforecast.cli.session import guarded, os_error_sentence
from stforecast.errors import DataError, Interrupted, StForecastWarning

COMMANDS = (
    "ingest",
    "train",
    "forecast",
    "verify",
    "plot",
    "new",
    "info",
    "check",
    "models",
    "profile",
)


def test_help_lists_every_command_with_a_summary():
    result = CliRunner().invoke(program, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.output
    assert "stforecast forecast --horizon 4" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_an_example_and_tells_every_option(name):
    result = CliRunner().invoke(program, [name, "--help"])
    assert result.exit_code == 0
    assert f"stforecast {name}" in result.output.split("Options:")[1], "no example"
    command = program.get_command(click.Context(program), name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} does not explain {parameter.name}"


def test_version():
    result = CliRunner().invoke(program, ["--version"])
    assert result.exit_code == 0
    assert __version__ in result.output


def test_an_unknown_command_or_option_is_a_usage_error():
    result = CliRunner().invoke(program, ["forcast"])
    assert result.exit_code == 2
    assert "No such command" in result.output
    result = CliRunner().invoke(program, ["ingest", "--outptu", "x"])
    assert result.exit_code == 2
    assert "No such option" in result.output


def status_of(error, capsys, **session_options):
    def work(session):
        for key, value in session_options.items():
            setattr(session, key, value)
        raise error

    status = guarded(work)
    return status, capsys.readouterr()


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (DataError("the file is empty"), 1, "Error: the file is empty\n"),
        (Interrupted("stopped; go on with --resume"), 130, "Error: stopped; go on with --resume\n"),
        (KeyboardInterrupt(), 130, "Error: interrupted; what was complete before is kept\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 1, "Error: the disk is full, so"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "Error: no permission to us"),
        (MemoryError(), 1, "Error: not enough memory"),
        (ValueError("a\nb"), 1, "Error: unexpected ValueError: a; --debug shows where it happ"),
    ],
)
def test_what_goes_wrong_is_one_sentence(error, status, sentence, capsys):
    code, output = status_of(error, capsys)
    assert code == status
    assert output.out == ""
    assert output.err.startswith(sentence)
    assert output.err.count("\n") == 1


def test_debug_shows_the_traceback(capsys):
    _, output = status_of(DataError("x"), capsys, debug=True)
    assert "Traceback" in output.err
    assert output.err.endswith("Error: x\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EDQUOT, "quota"), "the disk is full; free some space"),
        (OSError(errno.EROFS, "read-only", "/a"), "no permission to use /a"),
        (FileNotFoundError(errno.ENOENT, "x", "/a"), "there is no file /a"),
        (NotADirectoryError(errno.ENOTDIR, "x", "/a"), "a file is where a folder should be: /a"),
        (IsADirectoryError(errno.EISDIR, "x", "/a"), "a folder is where a file should be: /a"),
        (OSError(errno.EIO, "Input/output error", "/a"), "Input/output error: /a"),
        (OSError("odd\nthing"), "odd thing"),
        (OSError(), "OSError"),
    ],
)
def test_errors_of_the_operating_system_in_words(error, words):
    assert os_error_sentence(error).startswith(words)


def test_a_warning_is_one_line_told_once(capsys):
    def work(session):
        for _ in range(2):
            warnings.warn("the last step\nis incomplete", StForecastWarning, stacklevel=1)

    assert guarded(work) == 0
    assert capsys.readouterr().err == "Warning: the last step is incomplete\n"


def test_warnings_of_libraries_are_for_the_verbose(capsys):
    def work(session):
        warnings.simplefilter("always", UserWarning)
        warnings.warn("inside a library", UserWarning, stacklevel=1)
        session.verbosity = 1
        warnings.warn("inside a library", UserWarning, stacklevel=1)

    assert guarded(work) == 0
    assert capsys.readouterr().err.count("inside a library") == 1


def test_a_closed_pipe_is_quiet():
    code = "from stforecast.cli.main import run; run()"
    done = subprocess.run(
        f"{sys.executable} -c '{code}' --help | head -c 1",
        shell=True,
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""


def test_the_command_line_starts_without_torch():
    code = (
        "import sys\n"
        "from stforecast.cli.main import program\n"
        "import click\n"
        "context = click.Context(program)\n"
        "[program.get_command(context, name).get_help(context)\n"
        " for name in program.list_commands(context)]\n"
        "heavy = {'torch', 'pytorch_lightning', 'xarray', 'matplotlib', 'dask'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
