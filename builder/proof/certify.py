"""The certificate of a network: what is promised to solvers, the limit of each promise, and
whether it is kept.

"Exactly 0" rests on one assumption: exp(x) is 0 from -104 down in float32, and from -746 down in
float64. A probability is exp(x) / (1 + exp(x)), where x is the logit of "right" minus that of
"wrong". So it is 0 if x, with all that rounding can do to it, is at most -750 (FLAT). sigmoid and
log_softmax lead to the same exp, or to 1 / (1 + infinity).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from builder.errors import PuzzleError
from builder.network.circuits import read_circuits
from builder.network.codes import count_codes, decode, encode, max_digits_of, tokens_by_length
from builder.network.model import tokenize
from builder.network.weights import dump, holds_exactly, load
from builder.proof.cells import Lookalike, crisp_share, find_lookalike, worst_cell
from builder.proof.climbs import share_of_climbs
from builder.proof.hardest import find_hardest
from builder.proof.rounding import rounding_bound
from builder.puzzle_file.lookalike import LIMIT

RIGHT = 0.999999  # the secret's probability is at least this
FLAT = 750.0  # a logit this far below 0 is a probability of exactly 0
CELL = 0.01  # every cell of the code is at most this far from what was drawn
CRISP = 0.01  # with decoys, every cell of every number is at most this far from a tenth
OTHER_CELL = LIMIT  # every other number of the code's length has a cell that is further off
HARDEST = 16  # wrong codes whose probability is asked of the network itself
CLIMBS = 0.02  # with false summits, at most this share of climbs on the logit ends at the code
BUDGET = 1_000_000  # nodes after which the search for them gives up
LOOKALIKE_BUDGET = 100_000  # beginnings of numbers after which the search for a lookalike gives up

OPENS = "the code opens it"
NOTHING_ELSE = "nothing else moves it"
SHARP = "the pictures are sharp"
OWN = "the pictures are the code's own"
SURVIVES = "solvers load these weights"
CRISP_TOO = "wrong numbers look as sharp"
ASTRAY = "climbing leads astray"


class Promise(NamedTuple):
    """One line of a certificate: the promise's name, and whether it is kept."""

    name: str
    holds: bool


@dataclass(frozen=True)
class Certificate:
    """What was found out about a network. NaN means unknown, and keeps no promise.

    weights: the bytes of the file that all of this was found on.
    survives: whether solvers' torch.load makes exactly the certified weights of this file.
    inputs: how many numbers the network can be asked for.
    nodes: how many nodes the search looked at.
    complete: whether the search settled all inputs.
    probability: what the network itself answers to the code.
    logit: the code's, by the tables.
    hardest_codes: the wrong numbers that come closest, the closest first.
    hardest_logit: of the first of them, by the tables.
    hardest_probability: the largest that the network itself answers to one of them.
    rounding: how far any logit that float32 or float64 computes can be from what the search says.
    worst_cell: how far a cell can be from what was drawn, for the code, whatever rounding does.
    shown_cell: how far the worst cell is that the network itself shows.
    lookalike: whether another number of the code's length shows the pictures, or could.
    crisp: the share of all cells of all numbers that are within CRISP of a tenth, whatever rounding
        does, 0 to 1. None if the puzzle has no decoys.
    climbs: the share of climbs on the logit that end at the code, 0 to 1: measured on a sample, not
        proved. None if the puzzle has no false summits.
    """

    weights: bytes
    survives: bool
    inputs: int
    nodes: int = 0
    complete: bool = False
    probability: float = math.nan
    logit: float = math.nan
    hardest_codes: tuple[str, ...] = ()
    hardest_logit: float = math.nan
    hardest_probability: float = math.nan
    rounding: float = math.nan
    worst_cell: float = math.nan
    shown_cell: float = math.nan
    lookalike: Lookalike = Lookalike("", decided=False)
    crisp: float | None = None
    climbs: float | None = None

    @property
    def lowest_logit(self):
        """The lowest logit that a computer can find for the code."""
        return self.logit - self.rounding

    @property
    def highest_wrong_logit(self):
        """The highest logit that a computer can find for another number, if all are settled."""
        return self.hardest_logit + self.rounding

    @property
    def promises(self):
        """The promises, in the order in which they are shown."""
        promises = [
            Promise(OPENS, self._opens()),
            Promise(NOTHING_ELSE, self._nothing_else_opens()),
            Promise(SHARP, self.worst_cell <= CELL and self.shown_cell <= CELL),
            Promise(OWN, self.lookalike.decided and not self.lookalike.number),
            Promise(SURVIVES, self.survives),
        ]
        if self.crisp is not None:
            promises.append(Promise(CRISP_TOO, self.crisp == 1))
        if self.climbs is not None:
            promises.append(Promise(ASTRAY, self.climbs <= CLIMBS))
        return promises

    @property
    def holds(self):
        return all(promise.holds for promise in self.promises)

    def _opens(self):
        return self.probability >= RIGHT and self.lowest_logit >= math.log(RIGHT / (1 - RIGHT))

    def _nothing_else_opens(self):
        is_flat = self.highest_wrong_logit <= -FLAT and self.hardest_probability == 0
        return self.complete and is_flat


def certify(network, secret, watch=None):
    """Certifies a network as it will be written into a file. See `certify_file`."""
    return certify_file(dump(network), secret, watch)


def certify_file(content, secret, watch=None):
    """Certifies the network in a file, for every input there is. Returns its Certificate.

    The search settles every input by the tables, and the rounding bound carries its result over to
    what computers compute. The network itself is asked for the hardest inputs.

    content: the bytes of the file, as they are on the disk.
    watch: if given, it is called now and then with the nodes and the settled share so far.

    Raises PuzzleError if the file doesn't hold a network of the secret's sizes.
    """
    network = load(content)
    if not has_sizes_of(network, secret):
        raise PuzzleError("the weights have other sizes than this puzzle needs")
    return Certificate(
        weights=content,
        survives=holds_exactly(content, network),
        inputs=count_codes(secret.max_digits),
        **_find_answers(network, secret, watch),
        **_find_cells(network, secret),
    )


def has_sizes_of(network, secret):
    """Whether a network has the sizes that a secret needs."""
    arrangement = tuple(network.arrangement.tolist())
    return arrangement == secret.arrangement and max_digits_of(network) == secret.max_digits


def _find_answers(network, secret, watch):
    """What the Certificate says of answers, as a dict: nothing if the search is refused."""
    circuits = read_circuits(network)
    unknown = {"climbs": math.nan} if secret.summits else {}
    try:
        found = find_hardest(circuits, secret.code, HARDEST, budget=BUDGET, watch=watch)
    except OverflowError:
        return unknown
    answers = [network(tokens) for tokens in tokens_by_length(found.codes)]
    of_answers = {
        "nodes": found.nodes,
        "complete": found.settled == count_codes(secret.max_digits),
        "probability": network(tokenize(secret.code)).item(),
        "logit": circuits.logits(encode(secret.code, secret.max_digits)).item(),
        "hardest_codes": tuple(decode(code) for code in found.codes),
        "hardest_logit": found.logits[0].item(),
        "hardest_probability": torch.cat(answers).max().item(),
        "rounding": rounding_bound(network) + found.precision,
    }
    if secret.summits:
        generator = torch.Generator().manual_seed(0)
        of_answers["climbs"] = share_of_climbs(circuits, secret.code, generator)
    return of_answers


def _find_cells(network, secret):
    """What the Certificate says of cells, as a dict; nothing is known if one could overflow."""
    unknown = {"crisp": math.nan} if secret.decoys else {}
    try:
        found = {
            "worst_cell": worst_cell(network, secret),
            "shown_cell": cell_errors(network, secret, tokenize(secret.code)).max().item(),
            "lookalike": find_lookalike(network, secret, OTHER_CELL, LOOKALIKE_BUDGET),
        }
        if secret.decoys:
            found["crisp"] = crisp_share(network, CRISP)
    except OverflowError:
        return unknown
    return found


def cell_errors(network, secret, tokens):
    """How far the matrices that the network shows are from what was drawn.

    tokens: (batch, 1 + digits). Returns shape (heads, batch, 1 + digits, 1 + digits).
    """
    matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
    return (matrices - torch.tensor(secret.tiles)[:, None]).abs()
