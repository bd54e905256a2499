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
from builder.bundle.added import check_added_files, read_added_files
from builder.bundle.names import WEIGHTS
from builder.bundle.teams import Edition, draw_codes, file_name, read_table
from builder.bundle.zips import unzip, zip_bytes
from builder.errors import PuzzleError
from builder.proof.certify import certify_file
from builder.puzzle_file.secret import Secret
from builder.puzzle_file.texts import check_name, check_text
from builder.training.train import train

SEEDS = 2**62  # how many training seeds there are to draw from
IN_FLIGHT = 4  # jobs for each process that wait at a time: memory stays flat


class Places(NamedTuple):
    """Where an event's files are.

    name: of the puzzle, with which the name of each zip begins. bundle: the folder with the files
    that the author adds to every edition; it may not exist. folder: of the zips. table: the
    author's table of codes.
    """

    name: str
    bundle: Path
    folder: Path
    table: Path

    def zip_name(self, team):
        """What a team's zip is called."""
        return f"{self.name}-{file_name(team)}.zip"


class Job(NamedTuple):
    """What a process needs to build or to check one edition.

    secret: the edition's own. added: the author's files, {path in the folder: bytes}. path: of the
    zip. seed: where training starts from; a check needs none.
    """

    team: str
    secret: Secret
    added: dict
    path: Path
    seed: int = 0


def assign_codes(secret, teams, places, dice):
    """The editions of all teams. Codes in the table stay, and new teams get codes that are drawn.

    Raises PuzzleError if there are too few codes, or if an added file is not for solvers.
    """
    check_added_files(places.bundle, secret)
    editions = read_table(places.table)

    def is_hidden(code):
        try:
            check_hidden(replace(secret, code=code), teams, places)
        except PuzzleError:
            return False
        return True

    new = [team for team in teams if team not in editions]
    taken = {secret.code, *(edition.code for edition in editions.values())}
    codes = draw_codes(len(new), secret, taken, is_hidden, dice)
    for team, code in zip(new, codes, strict=True):
        editions[team] = Edition(team, code, places.zip_name(team))
    return list(editions.values())


def check_hidden(secret, teams, places):
    """Raises PuzzleError if anything that any team reads, or sees the name of, holds the code.

    secret: of one team's edition.
    """
    texts = [("title", secret.title), ("story", secret.story), ("difficulty", secret.difficulty)]
    texts += [("hint", hint) for hint in secret.hints]
    for name, text in texts:
        check_text(name, text, secret.code)
    for team in teams:
        check_name(places.zip_name(team), secret.code)
    check_added_files(places.bundle, secret)


def make_jobs(secret, editions, places):
    """Yields a Job for each edition."""
    added = read_added_files(places.bundle)
    for edition in editions:
        own = replace(secret, code=edition.code, examples_from=f"{secret.code}, {edition.team}")
        yield Job(edition.team, own, added, places.folder / edition.zip_name)


class Result(NamedTuple):
    """What came of a Job.

    wrong: the sentence that says what is wrong with the edition, None if it is right.
    content: the zip (bytes) that was built, None if none was.
    """

    path: Path
    wrong: str | None
    content: bytes | None = None


def build_edition(job):
    """Builds, certifies and packs one edition: a Result.

    It writes nothing. The process that asked for it writes all zips, one after the other.
    """
    *_, last = train(job.secret, job.seed)
    if not last.succeeds:
        return Result(job.path, f"{job.team}: no seed learned the code; run the command again")
    packed = bundle.make_files(job.secret, last.certificate.weights) | job.added
    return Result(job.path, None, zip_bytes(job.path.stem, packed))


def check_edition(job):
    """Certifies one edition's zip: a Result."""
    return Result(job.path, find_fault(job))


def find_fault(job):
    """The sentence that says what is wrong with an edition's zip, None if it is right."""
    try:
        content = job.path.read_bytes()
    except OSError as error:
        return f"{job.team}: {job.path} cannot be read: {error.strerror}"
    try:
        files = unzip(content)
        weights = files[f"{job.path.stem}/{WEIGHTS}"]
        certificate = certify_file(weights, job.secret)
    except (KeyError, zipfile.BadZipFile, PuzzleError):
        return f"{job.team}: {job.path} is damaged: delete it and build it again"
    expected = bundle.make_files(job.secret, weights) | job.added
    whole = {f"{job.path.stem}/{name}": text for name, text in expected.items()}
    if certificate.holds and files == whole:
        return None
    return f"{job.team}: {job.path} is not the table's, or not this puzzle's: build it again"


def run_all(work, waiting):
    """Does a piece of work (build_edition or check_edition) for each Job, in several processes.

    Yields what each returns, in any order. Stops at once, and waits for what is under way, if the
    caller is interrupted.
    """
    processes = os.cpu_count() or 1
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
