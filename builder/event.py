"""What the builder does for an event: it builds an edition for every team, or checks them all."""

import torch

from builder.bundle import editions
from builder.bundle.files import check_writable, write_file
from builder.bundle.teams import read_table, read_teams, table_bytes
from builder.errors import Failure, PuzzleError
from builder.paths import beside
from builder.screens.screen import Screen
from builder.words import counted, short_path

SHOWN = 20  # sentences on what is wrong, at most


def run(choices, secret):
    """Builds or checks the editions of a puzzle, and shows it. Raises PuzzleError."""
    torch.set_num_threads(1)
    teams = read_teams(choices.teams)
    places = editions.Places(
        name=choices.folder.resolve().name,
        bundle=choices.folder,
        folder=beside(choices.folder, "-teams"),
        table=beside(choices.folder, "-codes.csv"),
    )
    if choices.checks:
        check(choices, secret, teams, places, Screen())
    else:
        build(choices, secret, teams, places, Screen())


def build(choices, secret, teams, places, screen):
    """Builds the editions that don't exist yet. Raises PuzzleError or Failure.

    Those that exist are certified first, because the puzzle file may have changed since.
    """
    check_writable(places.folder)
    dice = editions.make_dice(secret, choices.seed)
    assigned = editions.assign_codes(secret, teams, places, dice)
    existing = []
    missing = []
    for job in editions.make_jobs(secret, assigned, places):
        editions.check_hidden(job.secret, teams, places)
        if job.path.exists():
            existing.append(job)
        else:
            missing.append(job._replace(seed=dice.randrange(editions.SEEDS)))
    # Before any edition is built, so that a build that was stopped goes on with the same codes.
    write_file(places.table, table_bytes(assigned))
    with screen:
        wrong = run_jobs(editions.check_edition, existing, "checking", screen)
    if wrong:
        show_wrong(wrong, screen)
        raise Failure(
            f"{counted(len(wrong), 'edition')} in {short_path(places.folder)} cannot stay:"
            " move them away, then run this command again"
        )
    with screen:
        wrong = run_jobs(editions.build_edition, missing, "building", screen)
    show_wrong(wrong, screen)
    if wrong:
        raise Failure(f"{counted(len(wrong), 'edition')} could not be built; the others exist")
    show_places(places, len(missing), len(assigned), screen)


def check(choices, secret, teams, places, screen):
    """Certifies all editions. Raises PuzzleError or Failure, after it has listed what is wrong."""
    known = read_table(places.table)
    if not known:
        command = choices.command("--teams", short_path(choices.teams))
        raise PuzzleError(f"{short_path(places.table)} does not exist yet: {command} writes it")
    wrong = [f"{team}: not in {short_path(places.table)}" for team in teams if team not in known]
    jobs = list(editions.make_jobs(secret, known.values(), places))
    with screen:
        wrong += run_jobs(editions.check_edition, jobs, "checking", screen)
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


def run_jobs(work, jobs, description, screen):
    """Builds or checks the edition of each Job, and writes the zips that are built.

    Returns sentences on what went wrong, sorted. Raises Failure if the disk fails.
    """
    wrong = []
    done = 0
    for result in editions.run_all(work, jobs):
        if result.content:
            write_file(result.path, result.content)
        if result.wrong:
            wrong.append(result.wrong)
        done += 1
        screen.counting(description, done, len(jobs))
    return sorted(wrong)


def show_wrong(wrong, screen):
    """Shows what is wrong with editions: the first sentences, and how many more there are."""
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
