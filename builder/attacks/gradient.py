"""The gradient: greedy coordinate gradient (Zou et al., 2023), the best change that it favours."""

import torch
from torch.nn.functional import one_hot

from builder.attacks.climb import at_every_length, climb, random_starts
from builder.network.model import CLS

TRIES = 16  # changes of one digit that a step asks


def by_gradient(target):
    """Climbs from random codes."""

    def favoured(code, _):
        return best_changes(code, gains(target.circuits, code))

    for start in at_every_length(random_starts(target.max_digits)):
        yield from climb(target.logits, start, favoured, rounds=1)


def best_changes(code, gain):
    """The codes with the TRIES changes of one digit that gain most, (tries, digits)."""
    gain = gain.scatter(1, code[:, None], -torch.inf)  # its own digits are no change
    changes = gain.flatten().topk(min(TRIES, (CLS - 1) * len(code))).indices
    codes = code.repeat(len(changes), 1)
    codes[torch.arange(len(changes)), changes // CLS] = changes % CLS
    return codes


@torch.enable_grad()
def gains(circuits, code):
    """What each digit would add to a code's logit at each place if it were linear, (digits, 10).

    Scores and votes are linear in a token's embedding. So the gradient by a one-hot vector of the
    digit is the gradient by the embedding, times the embedding of each digit.
    """
    digits = one_hot(code, CLS).double().requires_grad_()
    score = look_up(circuits.score, digits)
    vote = look_up(circuits.vote, digits)
    logit = (score.softmax(1) * vote).sum()
    (gradient,) = torch.autograd.grad(logit, digits)
    return gradient - gradient.gather(1, code[:, None])


def look_up(table, digits):
    """A table's entries, (heads, 1 + digits), for CLS and one-hot digits (digits, 10).

    table: (heads, positions, 11).
    """
    entries = torch.einsum("hpt,pt->hp", table[:, 1 : 1 + len(digits), :CLS], digits)
    return torch.cat([table[:, :1, CLS], entries], dim=1)
