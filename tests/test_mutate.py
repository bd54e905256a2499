"""The list of mutations fits the code. python -m tests.mutate says whether the tests catch them all."""

import ast

import pytest

from builder.paths import ROOT
from tests.mutate import MUTATIONS


@pytest.mark.slow
def test_every_mutation_can_be_made_and_is_code():
    for mutation in MUTATIONS:
        assert mutation.occurs(ROOT) == 1, mutation.name
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(text.replace(mutation.old, mutation.new))) != ast.dump(ast.parse(text)), mutation.name
        assert all((ROOT / "tests" / f"{test}.py").is_file() for test in mutation.tests)
    assert len(set(MUTATIONS)) == len(MUTATIONS)
