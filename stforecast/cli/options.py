"""Options that commands share."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from stforecast.cli.session import Session

Function = TypeVar("Function", bound=Callable[..., Any])


def experiment_options(function: Function) -> Function:
    """-c/--config and --set, passed on as `config` and `overrides`."""
    function = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a value of the experiment, such as training.max_epochs=5; may be repeated.",
    )(function)
    return click.option(
        "-c",
        "--config",
        type=click.Path(),
        metavar="FILE",
        help="The experiment file [default: ./stforecast.yaml, else the built-in demo].",
    )(function)


def store_option(use: str, owner: str = "experiment") -> Callable[[Function], Function]:
    """--store, passed on as `store`; `use` is what is done with it, `owner` has the default."""
    return click.option(
        "--store",
        type=click.Path(),
        metavar="STORE",
        help=f"The tensor store {use} [default: that of the {owner}].",
    )


def talk_options(function: Function) -> Function:
    """-v, -q and --debug; the command gets the session as its first argument."""

    @click.option("-v", "--verbose", is_flag=True, help="Say more about what happens.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors.")
    @click.option("--debug", is_flag=True, help="Show where an error happened.")
    @click.pass_context
    @functools.wraps(function)
    def wrapped(
        context: click.Context, *args: Any, verbose: bool, quiet: bool, debug: bool, **kwargs: Any
    ) -> Any:
        session = context.find_root().obj
        assert isinstance(session, Session)
        session.debug = debug
        session.verbosity = 1 if verbose else -1 if quiet else 0
        session.set_logging()
        return context.invoke(function, session, *args, **kwargs)

    return wrapped  # type: ignore[return-value]


class TakesFiles(click.Command):
    """A command with options that take all that follows up to the next option.

    A shell turns a pattern into many words: ``--data rain/*.nc`` is to mean all of them. Such
    options are declared with :func:`files_option`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        greedy = {
            name
            for parameter in self.params
            if isinstance(parameter, _FilesOption)
            for name in parameter.opts
        }
        spread: list[str] = []
        words = iter(args)
        current: str | None = None
        for word in words:
            if word == "--":
                spread += [word, *words]
            elif word in greedy:
                current = word
                following = next(words, None)
                spread += [word] if following is None else [word, following]
            elif word.startswith("-") and word != "-":
                current = None
                spread.append(word)
            else:
                spread += [word] if current is None else [current, word]
        return super().parse_args(ctx, spread)


class _FilesOption(click.Option):
    pass


def files_option(name: str, variable: str, **settings: Any) -> Callable[[Function], Function]:
    """An option of :class:`TakesFiles` that takes every file up to the next option."""
    return click.option(
        name,
        variable,
        cls=_FilesOption,
        multiple=True,
        type=click.Path(),
        metavar="FILES...",
        **settings,
    )
