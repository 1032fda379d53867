"""``python -m stforecast``: the command line without its script."""

from stforecast.cli.main import run

if __name__ == "__main__":
    run()
