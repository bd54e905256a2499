"""Editions of one puzzle: a code, a network and a certified zip of its own for every team.

All editions have the same pictures, texts and added files. Nothing else that two of them share is
drawn from the secret: each network has a training seed of its own, and the numbers that a README
tells solvers to try depend on the puzzle file's own code, which no team gets. So a team that has
opened its edition, and knows the pictures, learns nothing about another team's code.
"""

import multiprocessing
import os
import random
import signal
import zipfile
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from builder.bundle import bundle
from builder.bundle.added import added_files, check_added_files
from builder.bundle.files import write_files
from builder.bundle.names import WEIGHTS
from builder.bundle.teams import Edition, draw_codes, file_name, read_table, write_table
from builder.errors import Failure, PuzzleError
from builder.proof.certify import certify_file
from builder.puzzle_file.secret import Secret
from builder.puzzle_file.texts import check_name, check_text
from builder.training.train import train

SEEDS = 2**62  # so many training seeds are drawn from
IN_FLIGHT = 4  # jobs for each process that wait at a time: memory stays flat


class Places(NamedTuple):
    """Where the editions of a puzzle are: the folder of the zips, and the author's table."""

    folder: Path
    table: Path
    name: str

    def zip_path(self, edition):
        return self.folder / edition.zip_name


class Job(NamedTuple):
    """What a process needs to build or to check one edition.

    secret: the edition's own. added: the author's files, {path in the folder: bytes}. path: of the
    zip. seed: where training starts from.
    """

    team: str
    secret: Secret
    added: dict
    path: Path
    seed: int = 0


def plan(secret, teams, places, bundle_folder, dice):
    """The editions of all teams. Codes that stand in the table stay; the others are drawn.

    Raises PuzzleError if there are too few codes, or if an added file is none for solvers.
    """
    check_added_files(bundle_folder, secret)
    known = read_table(places.table)

    def allows(code):
        try:
            check_shown(replace(secret, code=code), teams, places, bundle_folder)
        except PuzzleError:
            return False
        return True

    new = [team for team in teams if team not in known]
    taken = {secret.code, *(edition.code for edition in known.values())}
    codes = draw_codes(len(new), secret, taken, allows, dice)
    for team, code in zip(new, codes, strict=True):
        known[team] = Edition(team, code, f"{places.name}-{file_name(team)}.zip")
    return list(known.values())


def check_shown(own, teams, places, bundle_folder):
    """Raises PuzzleError if something that solvers read, or see the name of, holds a team's code.

    own: the secret of the team's edition.
    """
    texts = [("title", own.title), ("story", own.story), ("difficulty", own.difficulty)]
    texts += [("hint", hint) for hint in own.hints]
    for name, text in texts:
        check_text(name, text, own.code)
    for team in teams:
        check_name(f"{places.name}-{file_name(team)}.zip", own.code)
    check_added_files(bundle_folder, own)


def write_plan(editions, places):
    """Writes the author's table before any edition is built.

    So a build that was stopped goes on with the same codes. Raises Failure.
    """
    table = write_table(editions)
    write_files(places.table.parent, {places.table.name: table})


def jobs(secret, editions, places, bundle_folder):
    """A Job for each edition."""
    added = {
        path.relative_to(bundle_folder).as_posix(): path.read_bytes()
        for path in added_files(bundle_folder)
    }
    for edition in editions:
        own = replace(secret, code=edition.code, examples_from=f"{secret.code}, {edition.team}")
        yield Job(edition.team, own, added, places.zip_path(edition))


def build_edition(job):
    """Builds, certifies and packs one edition. Returns the sentence that says why it failed."""
    *_, last = train(job.secret, job.seed)
    if not last.succeeds:
        return f"{job.team}: no seed learned the code; run the same command again"
    packed = bundle.make_files(job.secret, last.certificate.weights) | job.added
    try:
        content = bundle.zip_bytes(job.path.stem, packed)
        write_files(job.path.parent, {job.path.name: content})
    except Failure as error:
        return f"{job.team}: {error}"
    return None


def check_edition(job):
    """Certifies one edition's zip. Returns the sentence that says what is wrong with it."""
    try:
        content = job.path.read_bytes()
    except OSError as error:
        return f"{job.team}: {job.path} cannot be read: {error.strerror}"
    try:
        files = bundle.unzip(content)
        weights = files[f"{job.path.stem}/{WEIGHTS}"]
        certificate = certify_file(weights, job.secret)
    except (KeyError, zipfile.BadZipFile, PuzzleError):
        return f"{job.team}: {job.path} is damaged: delete it and build it again"
    expected = bundle.make_files(job.secret, weights) | job.added
    whole = {f"{job.path.stem}/{name}": text for name, text in expected.items()}
    if certificate.holds and files == whole:
        return None
    return f"{job.team}: {job.path} is not the table's, or not this puzzle's: build it again"


def run_all(work, waiting, processes=None):
    """Does a piece of work (build_edition or check_edition) for each Job, in several processes.

    Yields what each returns, in any order. Stops at once, and waits for what is under way, if the
    caller is interrupted.
    """
    processes = processes or os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    pool = ProcessPoolExecutor(processes, context, initializer=start_process)
    waiting = iter(waiting)
    running = set()
    try:
        for job in waiting:
            running.add(pool.submit(work, job))
            if len(running) < IN_FLIGHT * processes:
                continue
            yield from finished(running)
        while running:
            yield from finished(running)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def finished(running):
    """Waits until some running futures are done, takes them out, and yields their results."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    running -= done
    for future in done:
        yield future.result()


def start_process():
    """Prepares a process: it has one thread, and leaves Ctrl-C to the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def make_dice(secret, seed):
    """Where codes and training seeds come from: the system's own randomness, or a given seed.

    Whoever knows the seed, the file's code and the pictures can repeat the draw.
    """
    if seed is None:
        return random.SystemRandom()
    return random.Random(f"{seed}, {secret.code}, {secret.pictures}")
