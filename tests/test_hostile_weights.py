"""Files that guess.py does not read: without an end, or with weights that overflow."""

import os
import shutil

import pytest
import torch

from builder.model import NeuralNetwork
from puzzle.guess import LARGEST_FILE, Classifier, GuessError
from tests.test_weights import CLASSIFIER, saved


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a file without an end")
def test_a_file_without_an_end_is_refused(tmp_path):
    folder = shutil.copytree(CLASSIFIER, tmp_path / "classifier")
    (folder / "torch_state_dict").unlink()
    (folder / "torch_state_dict").symlink_to("/dev/zero")
    with pytest.raises(GuessError, match="the weights are damaged.*: unpack the puzzle again"):
        Classifier(folder)


def test_the_largest_weights_that_are_read_give_finite_answers(tmp_path):
    """The bound on a weight keeps NaN out of all answers, even of the largest networks with the largest weights."""
    folder = shutil.copytree(CLASSIFIER, tmp_path / "classifier")
    for n_hidden, heads in ((490, 1), (175, 8)):
        network = NeuralNetwork(n_hidden, heads, 16).requires_grad_(False)
        for weight in network.parameters():
            weight.fill_(1e5)
        network.output.weight[0] = -1e5
        weights = saved(network.state_dict())
        assert 0.9 * LARGEST_FILE < len(weights) <= LARGEST_FILE
        (folder / "torch_state_dict").write_bytes(weights)
        answer = Classifier(folder).answer("9" * 16)
        assert answer.probability == 1 and torch.tensor(answer.matrices).isfinite().all()
