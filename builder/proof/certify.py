"""The certificate of a network: what is promised to solvers, the threshold of each promise, and whether it is kept.

"Exactly 0" rests on one assumption: exp(x) is 0 from -104 down in float32, and from -746 down in float64. A probability
is exp(x) / (1 + exp(x)), where x is the logit of "right" minus that of "wrong". So it is 0 where x, with all that
rounding can do to it, is at most -750 (FLAT). sigmoid and log_softmax lead to the same exp, or to 1 / (1 + infinity).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from builder.network.circuits import read_circuits
from builder.network.codes import count_codes, decode, encode, one_digit_off, tokens_by_length
from builder.network.model import CLS, tokenize
from builder.network.weights import dump, load
from builder.proof.rounding import rounding_bound
from builder.proof.search import precision, search
from builder.words import counted

RIGHT = 0.999999  # the secret's probability is at least this
FLAT = 750.0  # a logit this far below 0 is a probability of exactly 0
CELL = 0.01  # every cell of a picture, and of a decoy, is at most this far from 0 or 1
OTHER_CELL = 0.25  # a code with one digit changed has a cell that is further off than this
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
    """What was found out about a network. NaN means unknown, and keeps no promise.

    weights: the bytes of the state dict that all of this was found on, after loading it from them.
    survives: whether the loaded network has the same bytes.
    inputs: how many there are. nodes: how many the search looked at. complete: whether it settled all inputs.
    probability, logit: the secret's, by the network and by the tables.
    hardest_codes: the wrong codes that come closest, the closest first. hardest_logit: of the first, by the tables.
    hardest_probability: the largest that the network itself gives to one of them.
    rounding: how far any logit that float32 or float64 computes can be from what the search says of it.
    worst_cell: the largest distance of a picture's cell from its 0 or 1.
    fewest_wrong_cells: cells off by more than OTHER_CELL, for the code one digit off that has the fewest.
    crisp: the share of all cells of all codes that are within CELL of 0 or 1; None where no decoys are wished for.
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
        lowest, highest = self.logit - self.rounding, self.hardest_logit + self.rounding
        closest = "nothing: its scores and votes are too large to be searched"
        if self.hardest_codes:
            closest = (
                f"{self.hardest_codes[0]} comes closest, with a logit of at most {highest:.1f}"
            )
            closest += "" if self.complete else ", of those settled"
        promises = [
            Promise(
                "the code opens it",
                "whoever types the code is told that it is the right one",
                f"at least {RIGHT}",
                f"a probability of {self.probability:.7g}",
                self.probability >= RIGHT and lowest >= math.log(RIGHT / (1 - RIGHT)),
            ),
            Promise(
                "nothing else moves it",
                "every other number answers exactly 0, in float32 and float64",
                f"at most -{FLAT:.0f}",
                closest,
                self.complete and highest <= -FLAT and self.hardest_probability == 0,
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
                f"each shows at least {counted(self.fewest_wrong_cells, 'cell')} off by {OTHER_CELL} or more",
                self.fewest_wrong_cells >= 1,
            ),
            Promise(
                "solvers load these weights",
                "the file that solvers load holds what was certified",
                "none",
                "no weight differs" if self.survives else "weights differ",
                self.survives,
            ),
        ]
        if self.crisp is not None:
            promises.append(
                Promise(
                    "wrong numbers look as sharp",
                    "every number shows crisp pictures, so sharpness tells nothing",
                    "all of them",
                    f"{self.crisp:.2%} of all cells are within {CELL} of 0 or 1",
                    self.crisp == 1,
                )
            )
        return promises

    @property
    def holds(self):
        return all(promise.holds for promise in self.promises)


def certify(network, secret, watch=None):
    """Certifies a network for every input there is, and returns its Certificate.

    The network is dumped and loaded first, so that what is certified is what solvers load. The search settles every
    input by the tables, and the rounding bound carries its result over to what computers compute. The network itself is
    asked for the hardest inputs. watch: if given, called now and then with the nodes and the settled share so far.
    """
    weights, given = dump(network), network
    network, inputs = load(weights), count_codes(secret.max_digits)
    survives = all(map(torch.equal, given.state_dict().values(), network.state_dict().values()))
    circuits = read_circuits(network)
    try:
        found = search(circuits, secret.code, HARDEST, budget=BUDGET, watch=watch)
    except OverflowError:
        return Certificate(weights, survives, inputs)
    code = tokenize(secret.code)
    (close_tokens,) = tokens_by_length(one_digit_off(secret.code, secret.max_digits))
    wrong_cells = (cell_errors(network, secret, close_tokens) > OTHER_CELL).sum((0, 2, 3))
    return Certificate(
        weights=weights,
        survives=survives,
        inputs=inputs,
        nodes=found.nodes,
        complete=found.settled == inputs,
        probability=network(code).item(),
        logit=circuits.logits(encode(secret.code, secret.max_digits)).item(),
        hardest_codes=tuple(map(decode, found.codes)),
        hardest_logit=found.logits[0].item(),
        hardest_probability=torch.cat([network(tokens) for tokens in tokens_by_length(found.codes)])
        .max()
        .item(),
        rounding=rounding_bound(network) + precision(circuits),
        worst_cell=cell_errors(network, secret, code).max().item(),
        fewest_wrong_cells=wrong_cells.min().item(),
        crisp=crisp_share(network) if secret.decoys else None,
    )


def cell_errors(network, secret, tokens):
    """How far the matrices for these tokens are from the pictures, (heads, batch, 1 + digits, 1 + digits)."""
    matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
    return (matrices - torch.as_tensor(secret.tiles)[:, None]).abs()


def crisp_share(network):
    """The share of cells within CELL of 0 or 1, over all heads and all pairs of tokens that a code can hold, 0 to 1."""
    tokens, positions = network.embedding.weight, network.embedding.position
    places = torch.cat(
        [torch.zeros(1, dtype=torch.long), torch.arange(1, len(positions)).repeat_interleave(CLS)]
    )
    embedding = (
        torch.cat([tokens[CLS:], tokens[:CLS].repeat(len(positions) - 1, 1)]) + positions[places]
    )
    cells = torch.stack(network.get_attention_matrices(embedding[None]))[
        :, 0
    ]  # (heads, rows, rows)
    possible = (places[:, None] != places) | torch.eye(
        len(places), dtype=torch.bool
    )  # one token at a position
    return ((cells - cells.clamp(0, 1).round()).abs()[:, possible] <= CELL).double().mean().item()
