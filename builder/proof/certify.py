"""What a finished network promises, and whether it keeps it: the thresholds live here."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from builder.errors import PuzzleError
from builder.model import CLS, tokenize
from builder.proof.circuits import read_circuits
from builder.proof.codes import count_codes, decode, encode, one_digit_off, tokens_by_length
from builder.proof.rounding import rounding_bound
from builder.proof.search import search
from builder.proof.weights import dump, load
from builder.threads import one_thread
from builder.words import counted

RIGHT = 0.999999  # the secret's probability is at least this
FLAT = 110.0  # a logit this far below 0 is a probability of exactly 0: float32 ends at exp(-104)
CELL = 0.01  # every cell of the pictures is at most this far from its 0 or 1
OTHER_CELL = 0.25  # a one-digit-off code has a cell that is further off than this
HARDEST = 16  # wrong codes whose probability is asked of the network itself
BUDGET = 1_000_000  # nodes after which the search for them gives up


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
    inputs: how many there are. nodes: of the search that settled them. complete: whether it settled all.
    probability, logit: the secret's, by the network and by the tables.
    hardest_codes: the wrong codes that come closest, the closest first. hardest_logit: of the first, by the tables.
    hardest_probability: the largest that the network itself gives to one of them.
    rounding: how far any logit that float32 computes can be from the tables'.
    worst_cell: the largest distance of a picture's cell from its 0 or 1.
    fewest_wrong_cells: cells off by more than OTHER_CELL, for the code one digit off that has the fewest.
    crisp: the share of all cells of all codes that are within CELL of 0 or 1; None where decoys are not wished for.
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
    fewest_wrong_cells: int = 0
    crisp: float | None = None

    @property
    def promises(self):
        """The lines of the certificate, in the order they are shown."""
        least = math.log(RIGHT / (1 - RIGHT))
        closest = "no number could be settled"
        if self.hardest_codes:
            highest = self.hardest_logit + self.rounding
            closest = f"{self.hardest_codes[0]} comes closest, with a logit of at most {highest:.1f}"
            closest += "" if self.complete else ", of those settled"
        promises = [
            Promise(
                "the code opens it",
                "whoever types the code is told that it is the right one",
                f"at least {RIGHT}",
                f"a probability of {self.probability:.7g}",
                self.probability >= RIGHT and self.logit - self.rounding >= least,
            ),
            Promise(
                "nothing else moves it",
                "every other number answers exactly 0, on any computer",
                f"at most -{FLAT:.0f}",
                closest,
                self.complete and self.hardest_logit + self.rounding <= -FLAT and self.hardest_probability == 0,
            ),
            Promise(
                "the pictures are sharp",
                "with the code, the heads show the pictures as drawn",
                f"at most {CELL}",
                f"the worst cell is off by {self.worst_cell:.4f}",
                self.worst_cell <= CELL,
            ),
            Promise(
                "the pictures are the code's own",
                "a code with one digit changed shows a wrong cell",
                "at least 1 cell",
                f"each has {counted(self.fewest_wrong_cells, 'cell')} or more off by {OTHER_CELL}",
                self.fewest_wrong_cells >= 1,
            ),
            Promise(
                "it survives the trip",
                "what solvers load is what was tried here",
                "the same weights",
                "the same weights" if self.survives else "other weights",
                self.survives,
            ),
        ]
        if self.crisp is not None:
            promises.append(
                Promise(
                    "wrong numbers look as sharp",
                    "every number shows crisp pictures, so sharpness tells nothing",
                    f"all cells within {CELL} of 0 or 1",
                    f"{self.crisp:.2%} of all cells",
                    self.crisp == 1,
                )
            )
        return promises

    @property
    def holds(self):
        return all(promise.holds for promise in self.promises)

    @property
    def promises_kept(self):
        """How many promises are kept: sorts certificates from worse to better."""
        return sum(promise.holds for promise in self.promises)


@one_thread()
@torch.no_grad()
def certify(network, secret, watch=None):
    """Certifies a network for every input there is, and returns its Certificate.

    The network is dumped and loaded first, so that what is certified is what will be read. The search settles every
    input by the tables, and the rounding bound carries its result over to float32. The network itself is asked for the
    hardest of them. watch: if given, called now and then with the search's nodes and the share of inputs settled.
    """
    weights, given = dump(network), network
    inputs = count_codes(secret.max_digits)
    try:
        network = load(weights)
    except PuzzleError:  # solvers' script would refuse it
        return Certificate(weights, False, inputs)
    survives = all(map(torch.equal, given.state_dict().values(), network.state_dict().values()))
    circuits = read_circuits(network).double()
    try:
        found = search(circuits, secret.code, HARDEST, budget=BUDGET, watch=watch)
    except OverflowError:  # no softmax can be told from such scores
        return Certificate(weights, survives, inputs)
    probabilities = torch.cat([network(tokens) for tokens in tokens_by_length(found.codes)])
    return Certificate(
        weights=weights,
        survives=survives,
        inputs=inputs,
        nodes=found.nodes,
        complete=found.complete,
        probability=network(tokenize(secret.code)).item(),
        logit=circuits.logits(encode(secret.code, secret.max_digits)).item(),
        hardest_codes=tuple(map(decode, found.codes)),
        hardest_logit=found.logits[0].item(),
        hardest_probability=probabilities.max().item(),
        rounding=rounding_bound(network),
        worst_cell=cell_errors(network, secret, tokenize(secret.code)).max().item(),
        fewest_wrong_cells=fewest_wrong_cells(network, secret),
        crisp=crisp_share(network) if secret.decoys else None,
    )


def fewest_wrong_cells(network, secret):
    """Of the codes one digit off, the fewest cells that one has further than OTHER_CELL from the pictures."""
    (tokens,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    wrong = cell_errors(network, secret, tokens) > OTHER_CELL
    return int(wrong.sum((0, 2, 3)).min())


def cell_errors(network, secret, tokens):
    """How far the matrices for these tokens are from the pictures, (heads, batch, 1 + digits, 1 + digits)."""
    matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
    return (matrices - torch.as_tensor(secret.pictures).float()[:, None]).abs()


def crisp_share(network):
    """The share of cells within CELL of 0 or 1, over all heads and all pairs of tokens that a code can hold, 0 to 1."""
    tokens, positions = network.embedding.weight, network.embedding.position
    places = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(1, len(positions)).repeat_interleave(CLS)])
    embedding = torch.cat([tokens[CLS:], tokens[:CLS].repeat(len(positions) - 1, 1)]) + positions[places]
    cells = torch.stack(network.get_attention_matrices(embedding[None]))[:, 0]  # (heads, rows, rows)
    possible = (places[:, None] != places) | torch.eye(len(places), dtype=torch.bool)  # one token at a position
    return ((cells - cells.round()).abs()[:, possible] <= CELL).double().mean().item()
