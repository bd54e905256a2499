"""Brute force, which the search is compared with: it looks at every code there is."""

import torch
from torch.nn.functional import pad

from builder.keyspace import decode
from builder.model import CLS

BLOCK = 500_000  # codes scored at a time, few enough for the processor's cache


def digits(length):
    """All codes of a length, in the order of their numbers, (10 ** length, length)."""
    return torch.cartesian_prod(*[torch.arange(10)] * length).reshape(-1, length)


def all_codes(max_digits):
    """All codes there are, as a batch: short ones first, those of one length in the order of their numbers."""
    return torch.cat(
        [pad(digits(length), (0, max_digits - length), value=CLS + 1) for length in range(1, max_digits + 1)]
    )


def table_logits(circuits):
    """The logits of all codes, in the order of all_codes, by sums over prefixes and suffixes: (n,), float64."""
    circuits = circuits.double()
    terms = circuits.terms()
    found = []
    for length in range(1, circuits.max_digits + 1):
        middle = length // 2
        prefixes = [_sums(table, 1, 1 + middle, table[:, 0, CLS:]) for table in terms]
        suffixes = [_sums(table, 1 + middle, 1 + length, table.new_zeros(len(table), 1)) for table in terms]
        rows = max(1, BLOCK // suffixes[0].shape[1])
        for looks, votes in zip(*(prefix.split(rows, dim=1) for prefix in prefixes), strict=True):
            looks = looks[:, :, None] + suffixes[0][:, None]
            votes = votes[:, :, None] + suffixes[1][:, None]
            found.append(((votes / looks).sum(0) + circuits.bias).flatten())
    return torch.cat(found)


def _sums(table, first, last, start):
    """Sums over positions first to last - 1, for all their digits in the order of the codes' numbers."""
    sums = start
    for position in range(first, last):
        sums = (sums[:, :, None] + table[:, position, None, :CLS]).flatten(1)
    return sums


def network_logits(network, max_digits):
    """The logits that the network itself computes for all codes, in the order of all_codes: (n,)."""
    lengths = (pad(digits(length), (1, 0), value=CLS) for length in range(1, max_digits + 1))
    return logits_of(network, (batch for tokens in lengths for batch in tokens.split(20_000)))


@torch.no_grad()
def logits_of(network, batches):
    """The logits that the network itself computes for batches of tokens, one after the other: (n,)."""
    logits = []
    hook = network.output.register_forward_hook(
        lambda layer, inputs, output: logits.append(output[:, 1] - output[:, 0])
    )
    for batch in batches:
        network(batch)
    hook.remove()
    return torch.cat(logits)


@torch.no_grad()
def probabilities(network, length):
    """The network's own word on every code of a length, in the order of their numbers."""
    tokens = pad(digits(length), (1, 0), value=CLS)
    return torch.cat([network(batch) for batch in tokens.split(20_000)])


def hardest(logits, max_digits, secret, k):
    """The k wrong codes (strings) with the highest of these logits of all codes, and their logits."""
    codes = all_codes(max_digits)
    order = logits.argsort(descending=True)[: k + 1]
    found = [(decode(codes[i]), logits[i].item()) for i in order]
    return [(code, logit) for code, logit in found if code != secret][:k]
