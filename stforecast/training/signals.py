"""Being asked to stop: SIGINT and SIGTERM wait for the end of the step."""

import signal
import threading
from types import FrameType
from typing import Any


class StopRequest:
    """Whether the user, or the system, asked the run to stop.

    The first signal is only noted; a second one acts as it would have without this class.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._asked = False

    def __call__(self) -> bool:
        return self._asked

    def ask(self) -> None:
        """Ask for it from inside the program."""
        self._asked = True

    def listen(self) -> None:
        """Note the signals from now on; threads other than the main one cannot."""
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                before = signal.signal(number, self._note)
                self._before.setdefault(number, before)

    def restore(self) -> None:
        """Leave the signals to whom they belonged before :meth:`listen`."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self.restore()
