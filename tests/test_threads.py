"""Small operations use one thread, and the caller's number of threads comes back."""

import pytest
import torch

from builder.threads import one_thread


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_thread_is_used_and_the_callers_number_comes_back(three_threads):
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_the_callers_number_of_threads_comes_back_after_an_error_too(three_threads):
    with pytest.raises(KeyboardInterrupt), one_thread():
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 3
