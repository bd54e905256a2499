"""The attack report and the verdict in sentences."""

from builder.attacks.report import (
    ANNEALING,
    BRUTE_FORCE,
    BY_EYE,
    BY_PLACE,
    CIRCUITS,
    EQUAL_DIGITS,
    EXCHANGES,
    GRADIENT,
    LEAST_SQUARES,
    PAIRS,
    SINGLE_MATRICES,
    SMOOTHNESS,
)
from builder.words import counted, duration

# What a solver needs for an attack.
NEEDS = {
    BY_EYE: "guess.py alone",
    SMOOTHNESS: "an eye for pictures that come together",
    EQUAL_DIGITS: "the raw cells of 000..., 111... and so on",
    SINGLE_MATRICES: "norms and dot products, one layer at a time",
    BY_PLACE: "a program that asks for logits",
    PAIRS: "a program that asks for logits, and patience",
    ANNEALING: "a program that asks for logits, and more patience",
    GRADIENT: "a program that asks for gradients",
    EXCHANGES: "a program, and the idea that all digits differ",
    LEAST_SQUARES: "raw cells, logits and an understanding of attention",
    CIRCUITS: "an understanding of the circuits",
    BRUTE_FORCE: "a program that tries all numbers",
}

# How the verdict names the ways in of programs.
WAYS = {
    EXCHANGES: "exchanging digits",
    PAIRS: "climbing by pairs of places",
    ANNEALING: "annealing",
    LEAST_SQUARES: "least squares",
}


def attack_sentence(finding):
    """One line of the attack report."""
    line = f"{finding.name}, with {NEEDS[finding.name]}: {cost(finding)}"
    if finding.is_luck:
        line += f", and guessing takes about {finding.mean_guesses:,}"
    return line


def cost(finding):
    """What an attack costs, in words."""
    if finding.seconds is not None:
        return f"{duration(finding.seconds)} on average"
    if finding.guesses is None:
        return "not found"
    return _guesses(finding)


def verdict_sentence(verdict):
    """How hard a puzzle is, in one line without a full stop."""
    if verdict.is_short:
        return f"Short enough to guess: {verdict.mean_guesses} guesses on average"
    if verdict.secret.decoys:
        line = _with_decoys(verdict)
    else:
        line = _without_decoys(verdict)
    if verdict.secret.is_tiled and SMOOTHNESS not in verdict.findings:
        share = verdict.secret.share_without_last_digit
        line += f"; with the last digit alone wrong, {share:.0%} of the picture is right"
    return line


def _without_decoys(verdict):
    line = f"A beginners' puzzle: by eye in about {_guesses(verdict.findings[BY_EYE])}"
    if EQUAL_DIGITS in verdict.findings:
        line += f", by a program in {verdict.findings[EQUAL_DIGITS].guesses}"
    if verdict.decoys_possible and verdict.secret.is_tiled:
        line += "; decoys would make it harder"
    elif verdict.decoys_possible:
        line += "; decoys would prevent that"
    return line


def _with_decoys(verdict):
    if not verdict.has_simple_way:
        return _without_simple_way(verdict)
    costs = _costs(verdict)
    if not costs:
        return _opening(verdict)
    ways = [f"{way} takes {cost}" for way, cost in costs.items()]
    return f"{_opening(verdict)}; {', '.join(ways)}"


def _opening(verdict):
    if SMOOTHNESS in verdict.findings:
        guesses = _guesses(verdict.findings[SMOOTHNESS])
        return f"The picture comes together digit by digit, in about {guesses}"
    if verdict.secret.summits and not verdict.climb:
        return "Not by eye, and climbing the logit ends on false summits"
    return "Not by eye"


def _costs(verdict):
    """What each way in costs that a program has, {way: cost}."""
    costs = {}
    if verdict.climb:
        costs["climbing the logit"] = f"about {_guesses(verdict.climb)}"
    for name, way in WAYS.items():
        if name in verdict.findings:
            costs[way] = f"about {_guesses(verdict.findings[name])}"
    if BRUTE_FORCE in verdict.findings:
        numbers = f"{verdict.candidates:,} numbers"
        if not verdict.secret.repeats_a_digit:
            numbers += " of different digits"
        costs[f"trying all {numbers}"] = duration(verdict.seconds_for_all)
    return costs


def _without_simple_way(verdict):
    opening = "Not by eye, and by no simple program"
    if LEAST_SQUARES not in verdict.findings:
        return f"{opening}: only the circuits open it, so give solvers a hint"
    guesses = _guesses(verdict.findings[LEAST_SQUARES])
    understanding = f"only understanding opens it (least squares takes about {guesses})"
    return f"{opening}: {understanding}, so give solvers a hint"


def _guesses(finding):
    return counted(finding.guesses, "guess", "guesses")
