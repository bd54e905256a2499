"""What the author sees of a build: what is happening, the certificate, and notes."""

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from builder.screens.attacks import attack_sentence, verdict_sentence
from builder.screens.certificate import CertificateView
from builder.words import counted

NARROWEST = 20  # columns; some systems report a width of 0 or 1


class Screen:
    """Shows the author what happens: progress that moves in a terminal, and lines that stay."""

    def __init__(self, console=None):
        """console: a rich Console; by default one for the standard output."""
        self.console = console or Console(highlight=False, markup=False)
        if self.console.width < NARROWEST:
            self.console.width = 80
        # FORCE_COLOR makes rich call a log a terminal, and cursor codes don't belong into a log.
        self.is_terminal = self.console.is_terminal and self.console.file.isatty()
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            console=self.console,
            transient=True,
            disable=not self.is_terminal,
        )
        self.task = self.progress.add_task("", start=False)

    def __enter__(self):
        """Shows progress until the end of the block; then nothing of it is left."""
        self.progress.start()
        return self

    def __exit__(self, *_):
        if not self.progress.disable:  # older versions of rich print an empty line even so
            self.progress.stop()

    def looking_for_summits(self, number):
        """Called before each draw of cells and baits, of which the first is number 1."""
        description = f"looking for false summits: draw {number}"
        self.progress.update(self.task, description=description, total=None)

    def learning(self, training_round):
        """Called after every round of training."""
        description = (
            f"learning: seed {training_round.seed}, {counted(training_round.step, 'step')}"
        )
        self.progress.update(self.task, description=description, total=None)

    def proving(self, nodes, settled_share):
        """Called during the certificate's search.

        nodes: how many it has looked at. settled_share: the settled part of all inputs, 0 to 1.
        """
        description = f"proving: {counted(nodes, 'step')}"
        self.progress.update(self.task, description=description, total=1, completed=settled_share)

    def counting(self, description, done, total):
        """Called after each of a number of equal steps, of which some are done."""
        text = f"{description}: {done:,} of {total:,}"
        self.progress.update(self.task, description=text, total=total, completed=done)

    def note(self, sentence, whole=False, style=""):
        """Shows a sentence. whole: it isn't wrapped, so that a command in it can be copied."""
        self.console.print(Text(sentence, style), soft_wrap=whole or not self.is_terminal)

    def certified(self, certificate, code):
        """Shows a certificate that holds, in one sentence."""
        others = f"all {certificate.inputs - 1:,} other numbers answer"
        self.note(
            f"certified: {code} opens it, {others} exactly 0; --check shows the details",
            style="green",
        )

    def certificate(self, certificate):
        """Shows a certificate, promise by promise."""
        self.console.print(CertificateView(certificate))

    def verdict(self, verdict):
        """Shows how hard the puzzle is."""
        self.note(f"verdict: {verdict_sentence(verdict)}")

    def attack(self, finding):
        """Shows what an attack costs: in red if it finds the code."""
        style = "green"
        if finding.succeeds:
            style = "red"
        self.note(f"attack: {attack_sentence(finding)}", style=style)
