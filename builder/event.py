"""What the builder does for an event: it builds an edition for every team, or checks them all."""

import torch

from builder.bundle import editions
from builder.bundle.files import check_writable
from builder.bundle.teams import read_table, read_teams
from builder.errors import Failure, PuzzleError
from builder.screens.screen import Screen
from builder.words import counted, short_path

SHOWN = 20  # editions that are wrong, by name


def run(choices, secret):
    """Builds or checks the editions of a puzzle, and shows it. Raises PuzzleError."""
    torch.set_num_threads(1)
    teams = read_teams(choices.teams)
    bundle = choices.folder.resolve()
    places = editions.Places(
        folder=bundle.with_name(f"{bundle.name}-teams"),
        table=bundle.with_name(f"{bundle.name}-codes.csv"),
        name=bundle.name,
    )
    if choices.checks:
        check(choices, secret, teams, places, Screen())
    else:
        build(choices, secret, teams, places, Screen())


def build(choices, secret, teams, places, screen):
    """Builds the editions that are not there yet. Raises PuzzleError or Failure.

    Those that are there are certified first, because the puzzle file may have changed since.
    """
    check_writable(places.folder)
    dice = editions.make_dice(secret, choices.seed)
    planned = editions.plan(secret, teams, places, choices.folder, dice)
    there = []
    missing = []
    for job in editions.jobs(secret, planned, places, choices.folder):
        editions.check_shown(job.secret, teams, places, choices.folder)
        if job.path.exists():
            there.append(job)
        else:
            missing.append(job._replace(seed=dice.randrange(editions.SEEDS)))
    editions.write_plan(planned, places)
    with screen:
        wrong = work_off(editions.check_edition, there, "checking", screen)
    if wrong:
        show_wrong(wrong, screen)
        raise Failure(
            f"{counted(len(wrong), 'edition')} in {short_path(places.folder)} cannot stay:"
            " move them away, then run this command again"
        )
    with screen:
        wrong = work_off(editions.build_edition, missing, "building", screen)
    show_wrong(wrong, screen)
    if wrong:
        raise Failure(f"{counted(len(wrong), 'edition')} could not be built; the others are there")
    show_places(places, len(missing), len(planned), screen)


def check(choices, secret, teams, places, screen):
    """Certifies all editions. Raises PuzzleError or Failure, after it has listed what is wrong."""
    known = read_table(places.table)
    if not known:
        command = choices.command("--teams", short_path(choices.teams))
        raise PuzzleError(f"{short_path(places.table)} is not there yet: {command} writes it")
    wrong = [f"{team}: not in {short_path(places.table)}" for team in teams if team not in known]
    jobs = list(editions.jobs(secret, known.values(), places, choices.folder))
    with screen:
        wrong += work_off(editions.check_edition, jobs, "checking", screen)
    named = {edition.zip_name for edition in known.values()}
    for path in sorted(places.folder.glob("*.zip")):
        if path.name not in named:
            wrong.append(f"{short_path(path)}: no team's in {short_path(places.table)}")
    show_wrong(wrong, screen)
    if wrong:
        raise Failure(f"{counted(len(wrong), 'edition')} and the table do not agree")
    screen.note(
        f"certified: {counted(len(known), 'edition')}, each opened by its own code alone",
        style="green",
    )


def work_off(work, jobs, description, screen):
    """Does a piece of work for each Job. Returns the sentences on what went wrong, sorted."""
    wrong = []
    done = 0
    for sentence in editions.run_all(work, jobs):
        done += 1
        screen.counting(description, done, len(jobs))
        if sentence:
            wrong.append(sentence)
    return sorted(wrong)


def show_wrong(wrong, screen):
    """Shows what is wrong with editions, if they are not too many."""
    for sentence in wrong[:SHOWN]:
        screen.note(sentence, style="red")
    if len(wrong) > SHOWN:
        screen.note(f"and {len(wrong) - SHOWN:,} more", style="red")


def show_places(places, built, total, screen):
    """Shows where the editions and their codes are."""
    screen.note(
        f"certified: {counted(total, 'edition')}, {built:,} of them built now; every other number"
        " answers exactly 0",
        style="green",
    )
    screen.note(f"editions: {short_path(places.folder)}, a zip for each team", whole=True)
    screen.note(f"codes: {short_path(places.table)}, for your eyes only", whole=True)
