"""What the author sees: the rounds of training as they come, the look at the keyspace, the certificate."""

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

ROUNDS_SHOWN = 8
PLAIN_STEPS = 100  # without a terminal, a line for so many steps


class Screen:
    """Shows training as it goes: a live table in a terminal, plain lines elsewhere."""

    def __init__(self, n_codes):
        """n_codes: how many a look at the whole keyspace has to go through."""
        self.console = Console(highlight=False)
        self.rounds = []
        self.live = Live(console=self.console)
        self.scan = Progress(
            TextColumn("whole keyspace"), BarColumn(), MofNCompleteColumn(), console=self.console, auto_refresh=False
        )
        self.task = self.scan.add_task("", total=n_codes)

    def __enter__(self):
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_):
        self.live.stop()

    def watch(self, looked_at):
        """Called during a look at the whole keyspace."""
        if self.console.is_terminal:
            self.scan.update(self.task, completed=looked_at)
            self.live.update(Group(self.table(), self.scan) if self.rounds else self.scan)

    def show(self, progress):
        """Called after every round."""
        self.rounds.append(progress)
        if self.console.is_terminal:
            self.live.update(self.table())
        elif progress.step % PLAIN_STEPS == 0 or progress.certificate:
            self.console.out(
                f"seed {progress.seed}  step {progress.step:4}  secret {progress.probability:.4f}  "
                f"hardest wrong {progress.hardest_code} {progress.hardest_probability:.1e}  "
                f"accepted {progress.accepted} of {progress.met} met  worst cell {progress.worst_cell:.4f}"
            )

    def table(self):
        table = Table()
        for heading in ("seed", "step", "secret", "hardest wrong", "p", "accepted, of met", "worst cell"):
            table.add_column(heading, justify="right")
        for r in self.rounds[-ROUNDS_SHOWN:]:
            table.add_row(
                *(str(r.seed), str(r.step), f"{r.probability:.4f}", r.hardest_code, f"{r.hardest_probability:.1e}"),
                *(f"{r.accepted} of {r.met}", f"{r.worst_cell:.4f}"),
            )
        return table

    def certificate(self, certificate):
        """Shows a certificate, a line per promise."""
        self.console.print(f"Certificate: {certificate.looked_at:,} inputs, every one tried")
        table = Table()
        for heading in ("promise", "limit", "found", ""):
            table.add_column(heading)
        for promise in certificate.promises:
            verdict = "[green]holds[/]" if promise.holds else "[red]falls short[/]"
            table.add_row(promise.promise, promise.limit, promise.found, verdict)
        self.console.print(table)
