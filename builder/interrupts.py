"""Ctrl-C at a moment when it must wait."""

import signal
from contextlib import contextmanager


@contextmanager
def delayed_interrupt():
    """Lets Ctrl-C wait until the end of the block, then raises KeyboardInterrupt.

    An interrupt in the middle of torch's import can abort the whole process.
    """
    interrupts = []

    def remember(*event):
        interrupts.append(event)

    usual = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if interrupts and usual != signal.SIG_IGN:
        raise KeyboardInterrupt
