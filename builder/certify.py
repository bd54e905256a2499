"""What a finished network promises, and whether it keeps it: the thresholds live here."""

import io
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from builder.circuits import BLANK, read_circuits
from builder.keyspace import decode, encode, survey
from builder.model import CLS, NeuralNetwork, tokenize

RIGHT = 0.999  # the secret's probability is at least this
WRONG = 0.001  # every other input's is at most this
CELL = 0.01  # every cell of the pictures is at most this far from its 0 or 1
OTHER_CELL = 0.25  # a one-digit-off code has a cell that is further off than this
HARDEST = 256  # wrong codes whose probability is asked of the network itself


def dump(network):
    """A network's state dict as the bytes of its file: the same weights give the same bytes, on any machine."""
    state_dict = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    return buffer.getvalue()


def load(weights):
    """The network whose state dict has these bytes."""
    return NeuralNetwork.from_state_dict(torch.load(io.BytesIO(weights), weights_only=True))


class Promise(NamedTuple):
    """One line of a certificate: what is promised, what that means to a solver, the limit, what was found."""

    promise: str
    meaning: str
    limit: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Certificate:
    """What was tried on a network, and what was found.

    weights: the bytes of the state dict that all of this was found on, after loading it from them.
    survives: whether every weight came back from these bytes as it was.
    looked_at: inputs tried. probability: the secret's. accepted: wrong codes above one half.
    hardest_codes: the wrong codes that come closest, the closest first. hardest_probability: that of the first.
    worst_cell: the largest distance of a picture's cell from its 0 or 1.
    fewest_wrong_cells: cells off by more than OTHER_CELL, for the code one digit off that has the fewest.
    """

    weights: bytes
    survives: bool
    looked_at: int
    probability: float
    accepted: int
    hardest_codes: tuple[str, ...]
    hardest_probability: float
    worst_cell: float
    fewest_wrong_cells: int

    @property
    def promises(self):
        """The lines of the certificate, in the order they are shown."""
        hardest = f"{self.hardest_probability:.1e} ({self.hardest_codes[0]})" if self.hardest_codes else "no number"
        return [
            Promise(
                "the code opens it",
                "whoever types the code is told that it is right",
                f">= {RIGHT}",
                f"{self.probability:.6f}",
                self.probability >= RIGHT,
            ),
            Promise(
                "nothing else does",
                "whoever types another number is told that it is wrong",
                f"<= {WRONG}",
                hardest,
                self.hardest_probability <= WRONG,
            ),
            Promise(
                "the pictures are sharp",
                "with the code, the heads show the pictures and nothing else",
                f"<= {CELL} off",
                f"{self.worst_cell:.4f} off",
                self.worst_cell <= CELL,
            ),
            Promise(
                "the pictures are the code's own",
                "a code with one digit wrong shows a picture that is wrong, too",
                ">= 1 wrong",
                f"{self.fewest_wrong_cells} cells wrong",
                self.fewest_wrong_cells >= 1,
            ),
            Promise(
                "it survives the trip",
                "what solvers load is what was tried here",
                "loaded again",
                "same weights" if self.survives else "other weights",
                self.survives,
            ),
        ]

    @property
    def inputs(self):
        """All inputs there are."""
        return self.looked_at

    @property
    def nodes(self):
        return self.looked_at

    @property
    def holds(self):
        return all(promise.holds for promise in self.promises)

    @property
    def rank(self):
        """Sorts certificates from worse to better: by promises kept, then by the hardest wrong code."""
        return sum(promise.holds for promise in self.promises), -self.hardest_probability


def certify(network, secret, watch=None):
    """Tries a network on every input there is, and returns its Certificate.

    The network is dumped and loaded first, so that what is certified is what will be read. The tables look at the whole
    keyspace; the last word on the hardest codes has the network itself, as a solver would call it.
    watch: if given, called now and then with the number of codes looked at so far.
    """
    weights, given = dump(network), network
    network = load(weights)
    survives = all(map(torch.equal, given.state_dict().values(), network.state_dict().values()))
    with torch.no_grad():
        try:
            found = survey(read_circuits(network), secret.code, HARDEST, watch)
        except OverflowError:  # no softmax can be told from such scores
            return Certificate(weights, survives, 0, math.nan, 0, (), math.nan, math.nan, 0)
        probabilities = torch.cat([network(tokens) for tokens in tokens_by_length(found.codes)])
        tables = found.logits.sigmoid().max()
        return Certificate(
            weights=weights,
            survives=survives,
            looked_at=found.looked_at,
            probability=network(tokenize(secret.code)).item(),
            accepted=found.accepted,
            hardest_codes=tuple(decode(code) for code in found.codes),
            hardest_probability=max(probabilities.max().item(), tables.item()),
            worst_cell=cell_errors(network, secret, tokenize(secret.code)).max().item(),
            fewest_wrong_cells=fewest_wrong_cells(network, secret),
        )


def one_digit_off(code, max_digits):
    """All codes that differ from the code in one digit, shape (9 * digits, max_digits)."""
    secret = encode(code, max_digits)
    codes = secret.repeat(10 * len(code), 1)
    places = torch.arange(len(code)).repeat_interleave(10)
    codes[torch.arange(len(codes)), places] = torch.arange(10).repeat(len(code))
    return codes[(codes != secret).any(1)]


def fewest_wrong_cells(network, secret):
    """Of the codes one digit off, the fewest cells that one has further than OTHER_CELL from the pictures."""
    (tokens,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    wrong = cell_errors(network, secret, tokens) > OTHER_CELL
    return int(wrong.sum((0, 2, 3)).min())


def cell_errors(network, secret, tokens):
    """How far the matrices for these tokens are from the pictures, (heads, batch, 1 + digits, 1 + digits)."""
    matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
    return (matrices - secret.pictures[:, None]).abs()


def tokens_by_length(codes):
    """The tokens of codes (batch, max_digits), as the network takes them: a batch for each length there is."""
    lengths = (codes != BLANK).sum(1)
    for length in lengths.unique():
        digits = codes[lengths == length, :length]
        yield torch.nn.functional.pad(digits, (1, 0), value=CLS)
