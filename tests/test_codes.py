"""A code is a string or a row of digits, and each is made from the other without loss."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from builder.network.circuits import BLANK
from builder.network.codes import (
    count_codes,
    decode,
    encode,
    one_digit_off,
    random_codes,
    tokens_by_length,
)
from builder.network.model import CLS, tokenize
from tests.oracle import all_codes

codes = st.text("0123456789", min_size=1, max_size=16)


def test_leading_zeros_count():
    assert [count_codes(max_digits) for max_digits in (1, 5, 16)] == [
        10,
        111_110,
        11_111_111_111_111_110,
    ]
    assert len({decode(code) for code in all_codes(3)}) == count_codes(3) == 1110


@given(codes, st.integers(0, 3))
def test_a_code_becomes_its_digits_and_comes_back(code, room):
    digits = encode(code, len(code) + room)
    assert digits.shape == (1, len(code) + room) and decode(digits[0]) == code
    assert digits[0, len(code) :].tolist() == [BLANK] * room


@given(codes, st.integers(0, 3))
def test_every_code_one_digit_off_is_there_once(code, room):
    expected = {
        code[:i] + digit + code[i + 1 :] for i in range(len(code)) for digit in "0123456789"
    } - {code}
    found = [decode(other) for other in one_digit_off(code, len(code) + room)]
    assert len(found) == 9 * len(code) and set(found) == expected


def test_random_codes_have_all_lengths_and_digits_and_depend_on_their_generator_alone():
    drawn = random_codes(2000, 4, torch.Generator().manual_seed(1))
    texts = [decode(code) for code in drawn]
    assert {len(text) for text in texts} == {1, 2, 3, 4} and set("".join(texts)) == set(
        "0123456789"
    )
    assert all(
        torch.equal(encode(text, 4)[0], code) for text, code in zip(texts, drawn, strict=True)
    )
    assert torch.equal(drawn, random_codes(2000, 4, torch.Generator().manual_seed(1)))


def test_a_batch_becomes_tokens_of_one_length_each():
    batch = torch.cat([encode(code, 4) for code in ("20", "7", "13", "2013")])
    found = list(tokens_by_length(batch))
    assert [tokens.tolist() for tokens in found] == [
        tokenize("7").tolist(),
        [[CLS, 2, 0], [CLS, 1, 3]],
        tokenize("2013").tolist(),
    ]
