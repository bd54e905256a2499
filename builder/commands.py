"""What the builder does for an author: it builds a bundle or checks one, and then hands it out."""

import time

import torch

from builder.attacks.report import report
from builder.attacks.verdict import verdict
from builder.bundle import bundle
from builder.bundle.added import added_files, check_added_files, left_out
from builder.bundle.files import check_replaceable, write_file
from builder.bundle.names import GUESS, PAGE, WEIGHTS
from builder.bundle.walkthrough import make_walkthrough
from builder.errors import Failure, PuzzleError
from builder.network.weights import load
from builder.proof.certify import certify_file, has_sizes_of
from builder.puzzle_file.advice import advise
from builder.puzzle_file.parse import DEFAULT_MAX_DIGITS
from builder.screens.screen import Screen
from builder.training.train import train
from builder.words import quote, short_path, started_as


def run(choices, secret):
    """Does what the author chose, and shows it on the standard output. Raises PuzzleError."""
    torch.set_num_threads(1)  # small operations: more threads wait longer than they compute
    screen = Screen()
    if choices.checks:
        certificate = check(choices, secret, screen)
    else:
        certificate = build(choices, secret, screen)
    hand_out(choices, secret, certificate, screen)


def check_outputs(choices, secret):
    """Raises PuzzleError, before any work, if a file can't be written or lies inside the bundle."""
    if choices.walkthrough and secret.decoys and secret.repeats_a_digit:
        raise PuzzleError(
            "a walkthrough of decoys needs a code whose digits all differ: leave --walkthrough out"
        )
    outputs = [path for path in (choices.zip, choices.sheet, choices.walkthrough) if path]
    authors = outputs if choices.is_default else [choices.puzzle, *outputs]
    for path in authors:
        if choices.folder.resolve() in path.resolve().parents:
            raise PuzzleError(f"{path} is inside the bundle, which solvers get: put it elsewhere")
    for path in outputs:
        check_replaceable(path)


def build(choices, secret, screen):
    """Trains a network until its certificate holds, and writes the bundle. Returns the certificate.

    Raises PuzzleError if the bundle can't be written, Failure if no seed learns the code.
    """
    bundle.check_folder(choices.folder)
    check_outputs(choices, secret)
    if choices.is_named:  # otherwise it is the folder that is named like the puzzle file
        bundle.check_own(choices.folder, secret)
    check_added_files(choices.folder, secret)
    for sentence in advise(secret):
        screen.note(f"advice: {sentence}", style="yellow")
    start = time.perf_counter()
    with screen:
        rounds = train(
            secret, choices.seed or 0, watch=screen.proving, watch_draws=screen.looking_for_summits
        )
        for training_round in rounds:
            screen.learning(training_round)
            certificate = training_round.certificate
            if training_round.obstacle:
                screen.note(f"seed {training_round.seed}: {training_round.obstacle.value}")
            elif certificate and not certificate.holds:
                screen.note(f"seed {training_round.seed} did not learn the code")
    if not training_round.succeeds:
        if certificate:
            screen.certificate(certificate)
        raise Failure(f"no seed learned the code, so nothing is written: try {remedies(secret)}")
    seconds = time.perf_counter() - start
    screen.note(f"learned in {seconds:.2f} s (seed {training_round.seed})")
    bundle.write(choices.folder, secret, certificate)
    screen.certified(certificate, secret.code)
    return certificate


def remedies(secret):
    """What an author can change about a puzzle that no seed learns."""
    if secret.summits:
        return "another --seed, one more picture, a code of fewer digits, or no summits"
    ways = ["another drawing"]
    if secret.max_digits > max(DEFAULT_MAX_DIGITS, len(secret.code)):
        ways.append("a smaller max_digits")
    if secret.decoys:
        ways.append("one more drawing")
        ways.append("no decoys")
    return ", or ".join(ways)


def check(choices, secret, screen):
    """Certifies the bundle that lies in the folder. Returns the certificate.

    Raises PuzzleError if there is no bundle, Failure unless the certificate holds.
    """
    check_outputs(choices, secret)
    if not choices.folder.exists():
        raise no_bundle(choices)
    contents, network = bundle.read(choices.folder)
    puzzle = short_path(choices.puzzle)
    if not has_sizes_of(network, secret):
        hint = "put its own puzzle file first"
        own = own_puzzle_file(choices)
        if own:
            hint = f"its own puzzle file comes first, {short_path(own)}"
        raise Failure(f"{choices.folder} is not the bundle of {puzzle}: {hint}")
    with screen:
        certificate = certify_file(contents[WEIGHTS], secret, screen.proving)
    screen.certificate(certificate)
    if not certificate.holds:
        raise Failure(
            f"{choices.folder} is not certified for {puzzle}: if that was changed, build again"
        )
    bundle.check_texts(choices.folder, secret, contents)
    check_added_files(choices.folder, secret)
    return certificate


def no_bundle(choices):
    """The error if there is no folder to check."""
    own = own_puzzle_file(choices)
    if own:
        return PuzzleError(
            f"{choices.folder} does not exist yet, and its puzzle file would come first:"
            f" {started_as()} {quote([short_path(own)])} builds it"
        )
    options = []
    if choices.is_named:
        options = ["--out", str(choices.folder)]
    return PuzzleError(
        f"{choices.folder} does not exist yet: {choices.command(*options)} builds it"
    )


def own_puzzle_file(choices):
    """The puzzle file that is named like the bundle's folder, None if there is no other one."""
    own = choices.folder.with_name(f"{choices.folder.name}.toml")
    if own.is_file() and own.resolve() != choices.puzzle.resolve():
        return own
    return None


def hand_out(choices, secret, certificate, screen):
    """Shows how hard the puzzle is and what solvers get, writes the sheet and the zip."""
    network = load(certificate.weights)
    screen.verdict(verdict(network, secret))
    if choices.attacks:
        for finding in report(network, secret):
            screen.attack(finding)
    show_bundle(choices.folder, screen)
    if choices.sheet:
        from builder.screens.sheet import draw_sheet  # matplotlib takes a second to import

        missing = draw_sheet(secret, certificate, choices.sheet)
        if missing:
            screen.note(f"no font on this computer has {missing!r}: the sheet shows □ instead")
        screen.note(f"sheet: {short_path(choices.sheet)}, for your eyes only", whole=True)
    if choices.walkthrough:
        content = make_walkthrough(secret, choices.folder)
        write_file(choices.walkthrough, content)
        screen.note(
            f"walkthrough: {short_path(choices.walkthrough)}, for after the event", whole=True
        )
    if choices.zip:
        bundle.pack(choices.folder, secret, choices.zip)
        screen.note(f"zip: {short_path(choices.zip)}, for your solvers", whole=True)
    else:
        show_next_steps(choices, screen)


def show_bundle(folder, screen):
    """Shows where the bundle is, which of the author's files belong to it, and which do not."""
    screen.note(f"bundle: {short_path(folder)}", whole=True)
    added = [path.relative_to(folder).as_posix() for path in added_files(folder)]
    if added:
        screen.note(f"handed out as well: {', '.join(added)}")
    stays = [path.relative_to(folder).as_posix() for path in left_out(folder)]
    if stays:
        screen.note(f"left out, because programs made it: {', '.join(stays)}")


def show_next_steps(choices, screen):
    """Shows what an author opens next, and the two commands that an author types next."""
    guess = short_path(choices.folder / GUESS)
    screen.note(f"open it: {short_path(choices.folder / PAGE)}, in a browser", whole=True)
    screen.note(f"try it: {quote(['python', guess])}", whole=True)
    options = ["--check", "--zip"]
    if choices.is_named:
        options.insert(1, short_path(choices.folder))
    screen.note(f"pack it: {choices.command(*options)}", whole=True)
