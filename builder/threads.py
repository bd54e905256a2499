"""One thread for small operations: with more, each waits for the others, which takes long on a busy machine."""

from contextlib import contextmanager

import torch


@contextmanager
def one_thread():
    """Lets torch compute with one thread. So sums are also taken in one order, whatever the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
