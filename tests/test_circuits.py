"""The tables give the same logits as the network, in float64."""

import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.network.circuits import BLANK, read_circuits
from builder.network.model import NeuralNetwork
from tests.oracle import all_codes, network_logits


@settings(max_examples=15)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(1, 3),
    st.integers(0, 2),
)
def test_networks_agree_with_their_tables_on_every_code(seed, n_hidden, n_heads, digits, room):
    torch.manual_seed(seed)
    network = NeuralNetwork(n_hidden, n_heads, digits + room).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    codes = torch.nn.functional.pad(all_codes(digits), (0, room), value=BLANK)
    with torch.no_grad():
        found = read_circuits(network).logits(codes)
    torch.testing.assert_close(found, network_logits(network, digits), rtol=1e-9, atol=1e-9)


def test_tables_are_computed_in_float64_whatever_the_networks_type_and_torchs():
    network = NeuralNetwork(6, n_heads=2, max_digits=3)
    tables, in_float64 = read_circuits(network), read_circuits(copy.deepcopy(network).double())
    assert all(table.dtype == torch.float64 and not table.requires_grad for table in tables)
    torch.set_default_dtype(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        elsewhere = read_circuits(network)
    torch.set_default_dtype(torch.float32)
    for same in (in_float64, elsewhere):
        assert all(map(torch.equal, tables, same))
