"""By eye: with guess.py alone, solvers grow the number and keep the digit whose pictures are crisp.

Without decoys a wrong digit shows noise and the right one crisp cells, whatever follows. So the
first digit takes ten guesses, and so does every other digit but the last: there the network says
"right" as soon as the digit is tried. With decoys every number shows crisp cells, so nothing can
be seen.
"""


def count_guesses_by_eye(secret):
    """How many guesses it takes, with digits tried from 0 to 9; None if there are decoys."""
    if secret.decoys:
        return None
    return 10 * (len(secret.code) - 1) + int(secret.code[-1]) + 1
