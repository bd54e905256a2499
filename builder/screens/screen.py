"""What the author sees: the rounds of training as they come, the search, the certificate, and notes."""

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from builder.words import counted

ROUNDS_SHOWN = 8
PLAIN_STEPS = 100  # without a terminal, a line for so many steps
NARROWEST = 20  # a terminal that says it is narrower is not believed
WIDE = 90  # from here on what was found stands beside the promise, not below it
COLUMNS = {
    "seed": lambda r: str(r.seed),
    "step": lambda r: f"{r.step:,}",
    "code's\np": lambda r: f"{r.probability:.4f}",
    "closest\nwrong": lambda r: r.hardest_code,
    "its\np": lambda r: f"{r.hardest_probability:.1e}",
    "worst\ncell": lambda r: f"{r.worst_cell:.4f}",
}
LEAST_NEEDED = ("seed", "its\np", "closest\nwrong")  # left out in this order where there is no room
GAP = 2


class Screen:
    """Shows training as it goes: a live table in a terminal, plain lines elsewhere."""

    def __init__(self, console=None):
        """console: a rich Console; by default one for the standard output."""
        self.console = console or Console(highlight=False, markup=False)
        if self.console.width < NARROWEST:
            self.console.width = 80
        self.rounds = []
        self.live = Live(console=self.console)

    def __enter__(self):
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_):
        self.live.stop()

    def note(self, sentence, whole=False):
        """Shows a sentence. whole: it is not wrapped, so that a path or a command in it can be copied."""
        self.console.print(sentence, soft_wrap=whole or not self.console.is_terminal)

    def show(self, progress):
        """Called after every round of training."""
        self.rounds.append(progress)
        if self.console.is_terminal:
            self.live.update(self.table())
        elif progress.step % PLAIN_STEPS == 0 or progress.certificate:
            self.console.out(
                f"seed {progress.seed}  step {progress.step:4}  the code {progress.probability:.4f}  "
                f"closest wrong code {progress.hardest_code} {progress.hardest_probability:.1e}  "
                f"worst cell {progress.worst_cell:.4f}"
            )

    def watch(self, nodes, settled_share):
        """Called during the certificate's search. settled_share: the part of all inputs that is settled, 0 to 1."""
        if self.console.is_terminal:
            told = Text(f"search: {counted(nodes, 'node')}, {settled_share:.1%} of all inputs settled")
            bar = ProgressBar(total=1, completed=settled_share, width=min(40, self.console.width))
            self.live.update(Group(self.table(), told, bar) if self.rounds else Group(told, bar))

    def table(self):
        """The last rounds, in as many columns as there is room for."""
        rounds = self.rounds[-ROUNDS_SHOWN:]
        cells = {heading: [cell(r) for r in rounds] for heading, cell in COLUMNS.items()}
        for heading in LEAST_NEEDED:
            widths = (max(map(len, [*heading.split("\n"), *column])) for heading, column in cells.items())
            if sum(widths) + GAP * (len(cells) - 1) > self.console.width:
                del cells[heading]
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for heading in cells:
            table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
        for row in zip(*cells.values(), strict=True):
            table.add_row(*row)
        return table

    def certificate(self, certificate):
        """Shows a certificate: what each promise means to a solver, its limit, what was found, and whether it holds."""
        searched = f"{counted(certificate.inputs, 'input')}, {counted(certificate.nodes, 'node')} of search"
        self.console.print(Text(f"Certificate: {searched}", style="bold"))
        table = Table.grid(padding=(0, GAP, 0, 0))
        for promise in certificate.promises:
            verdict = Text("holds", "green") if promise.holds else Text("fails", "bold red")
            told = [Text(promise.promise, "bold"), Text(promise.meaning, "dim")]
            found = [Text(promise.found), Text(f"(limit: {promise.limit})", "dim")]
            if self.console.width >= WIDE:
                table.add_row(verdict, Text("\n").join(told), Text("\n").join(found))
            else:
                table.add_row(verdict, Text("\n").join([*told, Text(" ").join(found)]))
        self.console.print(table)

    def attack(self, attack):
        """Shows what an attack costs, red where it finds the code."""
        name, sentence = Text(attack.name, "bold"), Text(attack.sentence, "red" if attack.found else "green")
        self.console.print(name, sentence, sep="\n")
