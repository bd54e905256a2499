"""Least squares: raw cells say how much CLS looks at each digit; logits say what a look is worth.

A logit is the mean of votes, weighted by the softmax of CLS's scores. The scores are raw cells, of
the numbers of equal digits. A vote is the part of a token plus the part of a position, because the
embedding is. So the logit of each random number is a linear equation for these parts. The proof's
own search then finds the highest code of the tables.

With too few numbers there are many solutions. The smallest one is good enough long before there
are as many numbers as parts.
"""

import torch
from torch.nn.functional import pad

from builder.attacks.target import equal_digits
from builder.network.circuits import BLANK, Circuits
from builder.network.codes import random_codes, tokens_by_length
from builder.network.model import CLS
from builder.proof.search import search

NUMBERS = 20  # random numbers of the first fit; each fit takes half as many again
MOST = 600  # random numbers of the last fit
WORK = 600_000  # of a search in tables that may still be wrong: nodes * heads * places


def by_least_squares(target):
    """Asks numbers of equal digits, random ones of all lengths, and the best code of each fit."""
    yield equal_digits(target.max_digits)
    score = read_scores(target)
    generator = torch.Generator().manual_seed(0)
    codes = random_codes(NUMBERS, target.max_digits, generator)
    yield from numbers_by_length(codes)
    budget = WORK // (len(score) * target.max_digits)  # nodes
    while len(codes) <= MOST:
        vote = fit_votes(score, codes, target.circuits.logits(codes))
        circuits = Circuits(score, vote, torch.zeros((), dtype=torch.float64))
        code = search(circuits, "", k=1, budget=budget).codes[0]
        yield code[None, code != BLANK]
        more = random_codes(len(codes) // 2, target.max_digits, generator)
        yield from numbers_by_length(more)
        codes = torch.cat([codes, more])


def numbers_by_length(codes):
    """Yields the numbers in a batch of codes of mixed lengths, a batch for each length."""
    for tokens in tokens_by_length(codes):
        yield tokens[:, 1:]


def read_scores(target):
    """How much CLS looks at each token at each position, (heads, positions, 11)."""
    cells = target.raw_cells(equal_digits(target.max_digits))[:, :, 0]  # (heads, 10, positions)
    score = pad(cells.mT, (0, 1))  # CLS stands at its own position alone
    score[:, 0, CLS] = cells[:, 0, 0]
    return score.double()


def fit_votes(score, codes, values):
    """The smallest votes that give the codes (n, max_digits) these logits, (n,), with these scores.

    A bias needs no part of its own, because the softmax weights of a code sum to one.
    """
    heads, positions, _ = score.shape
    tokens = pad(codes, (1, 0), value=CLS)
    places = torch.arange(positions)
    weights = pad(score, (0, 1), value=-torch.inf)[:, places, tokens].softmax(2)
    of_tokens = torch.eye(CLS + 1).double().expand(positions, -1, -1)
    of_positions = torch.eye(positions).double()[:, None].expand(-1, CLS + 1, -1)
    parts = torch.cat([of_tokens, of_positions], dim=2)  # (positions, 11, parts)
    in_codes = pad(parts, (0, 0, 0, 1))[places, tokens]  # (n, positions, parts)
    means = torch.einsum("hnp,npk->nhk", weights, in_codes)
    solution = torch.linalg.lstsq(means.flatten(1), values[:, None], driver="gelsd").solution
    return torch.einsum("ptk,hk->hpt", parts, solution.view(heads, -1))
