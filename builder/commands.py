"""What the builder does: it builds a puzzle or checks one that was built, packs it, and draws its proof sheet.

Each raises PuzzleError where it can't, before training if that can be known then.
"""

import os
import shlex
import time
from pathlib import Path

from builder.advice import advise
from builder.bundle import bundle, files
from builder.errors import Failure, PuzzleError
from builder.model import tokenize
from builder.paths import GHOST, PUZZLE
from builder.proof.certify import certify
from builder.proof.weights import load
from builder.screens.attack import report
from builder.screens.screen import Screen
from builder.secret import Secret
from builder.training.train import train
from builder.words import counted, listed


def build(chosen):
    """Trains a network, certifies it, and writes its bundle."""
    secret, folder, screen = Secret.read(chosen.puzzle), chosen.out, Screen()
    bundle.check_folder(folder)
    check_files(chosen, folder)
    if files.was_interrupted(folder):
        screen.note(f"an earlier build into {folder} was interrupted: this one mends it")
    for sentence in advise(secret):
        screen.note(f"advice: {sentence}")

    start = time.perf_counter()
    with screen:
        for progress in train(secret, chosen.seed, chosen.max_attempts, screen.watch):
            screen.show(progress)
            if progress.certificate and not progress.certificate.holds:
                screen.note(f"seed {progress.seed} did not learn it")
    seconds = time.perf_counter() - start

    certificate = max((r.certificate for r in screen.rounds if r.certificate), key=lambda found: found.promises_kept)
    screen.certificate(certificate)
    if not certificate.holds:
        mend = "another drawing, one drawing more, or no decoys" if secret.decoys else "another drawing"
        raise Failure(
            f"seeds {chosen.seed} to {progress.seed} all fall short, and nothing is written: {mend} may be possible"
        )
    screen.note(f"seed {progress.seed}, {counted(progress.step, 'step')}, {seconds:.1f} s to train and certify")
    if chosen.puzzle == GHOST and chosen.seed == 0 and replaces_other_weights(folder, secret, certificate):
        screen.note(
            "the weights differ from those in puzzle/, which another seed, processor or version of torch made; "
            "the certificate holds all the same"
        )
    bundle.write(folder, secret, certificate)
    hand_out(chosen, folder, secret, certificate, screen)


def check(chosen):
    """Certifies the bundle in a folder, without training."""
    secret, folder, screen = Secret.read(chosen.puzzle), chosen.check, Screen()
    check_files(chosen, folder)
    interrupted = files.was_interrupted(folder)
    network = bundle.read(folder)
    if interrupted:
        screen.note(
            f"an earlier build into {folder} was interrupted; the bundle is whole, and the next build tidies up"
        )

    made_for = len(network.attention_matrix_list), len(network.embedding.position) - 1
    wanted = len(secret.pictures), secret.max_digits
    if made_for != wanted:
        raise Failure(
            f"{folder} is not the bundle of {chosen.puzzle}: it has {counted(made_for[0], 'head')} and takes "
            f"{counted(made_for[1], 'digit')}, not {wanted[0]} and {wanted[1]} (a puzzle file goes before --check)"
        )
    with screen:
        certificate = certify(network, secret, screen.watch)
    screen.certificate(certificate)
    if not certificate.holds:
        raise Failure(f"{folder} is not certified for {chosen.puzzle}")
    if not bundle.readme_matches(folder, secret):
        raise Failure(f"the README.md in {folder} is not what {chosen.puzzle} says now: build it again")
    hand_out(chosen, folder, secret, certificate, screen)


def replaces_other_weights(folder, secret, certificate):
    """Whether the repository's bundle is about to get other weights for the puzzle that it holds already."""
    if files.real(folder) != PUZZLE:
        return False
    try:
        network = bundle.read(folder)
    except PuzzleError:
        return False
    lying = (folder / bundle.WEIGHTS).read_bytes()
    return lying != certificate.weights and network(tokenize(secret.code)).item() > 0.5


def hand_out(chosen, folder, secret, certificate, screen):
    """What follows on a certificate that holds: packs the bundle, attacks it and draws the proof sheet, if wanted."""
    screen.note(f"bundle: {shown(folder)}", whole=True)
    name_other_files(folder, secret, screen)
    if chosen.zip:
        bundle.pack(folder, chosen.zip)
        screen.note(f"zip: {shown(chosen.zip)}", whole=True)
    attacks = list(attack(chosen, secret, certificate, screen))
    if chosen.proof:
        screen.note("drawing the proof sheet")
        from builder.screens.sheet import draw_proof  # matplotlib takes a second to import, and is seldom needed

        draw_proof(secret, certificate, chosen.proof, screen.rounds, [found.sentence for found in attacks])
        screen.note(f"proof: {shown(chosen.proof)}, for your eyes only", whole=True)
    say_what_is_next(chosen, folder, screen)


def name_other_files(folder, secret, screen):
    """Names the author's own files in a bundle's folder."""
    added, left_out = bundle.others(folder)
    if added:
        screen.note(f"handed out as well: {', '.join(added)}")
    if left_out:
        screen.note(f"left out: {', '.join(left_out)}")
    telling = bundle.with_the_code(folder, added, secret.code)
    if telling:
        screen.note(f"careful: solvers get {listed(telling)}, and the code stands there")


def attack(chosen, secret, certificate, screen):
    """Yields the attack report, if it is wanted, and shows it line by line."""
    if not chosen.attack:
        screen.note("how hard it is: --attack tells how soon solvers find the code without understanding the network")
        return
    screen.note("attacking the network, as solvers might")
    for found in report(load(certificate.weights), secret, chosen.seed):
        screen.attack(found)
        yield found


def say_what_is_next(chosen, folder, screen):
    """Tells the author the next commands."""
    if chosen.zip:
        screen.note(f"next: give {shown(chosen.zip)} to your solvers; it unpacks to a folder named puzzle", whole=True)
        return
    puzzle = [] if chosen.puzzle == GHOST else [shown(chosen.puzzle)]
    where = [] if folder == PUZZLE else [shown(folder)]
    command = typed("python", "-m", "builder", *puzzle, "--check", *where, "--zip", f"{folder.resolve().name}.zip")
    screen.note(f"next: try it: {typed('python', shown(folder / 'guess.py'))}", whole=True)
    screen.note(f"then pack the bundle: {command}", whole=True)


def shown(path):
    """A path as short as it can be said from here."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def typed(*words):
    """A command as somebody types it."""
    if os.name == "nt":
        return " ".join(f'"{word}"' if " " in word else word for word in words)
    return shlex.join(words)


def check_files(chosen, folder):
    """Tells of a file that could not be written, or would be handed out, before the work is done."""
    bundle_folder = files.real(folder)
    for path in filter(None, (chosen.puzzle, chosen.zip, chosen.proof)):
        if path != GHOST and bundle_folder in files.real(path).parents:
            raise PuzzleError(f"{path} is inside the bundle, which solvers get: put it elsewhere")
    for path in filter(None, (chosen.zip, chosen.proof)):
        if path.is_dir():
            raise PuzzleError(f"{path} is a folder: a file name is wanted")
        files.check_writable(files.real(path).parent)
