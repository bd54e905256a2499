"""Draws answers: on a console, where a Heatmap draws itself, and on a sheet that is saved.

Rows are the tokens that look, columns those looked at. Cells are square wherever they are drawn.
"""

import builtins
import contextlib
import io
import math
import os

from rich.columns import Columns
from rich.console import Console
from rich.measure import Measurement
from rich.rule import Rule
from rich.text import Text
from torch.nn.functional import avg_pool2d

LEVELS = 9
# A level's colour: matplotlib's viridis, which colour-blind eyes can read.
COLOURS = "#440154 #472d7b #3b528b #2c728e #21918c #28ae80 #5ec962 #addc30 #fde725".split()
# A level's character, which a copy keeps.
SHADES = " ▁▂▃▄▅▆▇█"
ASCII_SHADES = ".12345678"
# Characters for two cells, one above the other: none is lit, the lower, the upper, both are.
HALVES = " ▄▀█"
ASCII_HALVES = " .':"
FLAT = 0.1  # the smallest range of values that has all colours
MARGIN = 4  # columns for the token beside a row
FOUND = "bold green"
NARROWEST = 20  # columns; what says that it has fewer doesn't know how many it has


class AsciiConsole(Console):
    """A console that is told that there is no Unicode."""

    encoding = "ascii"


def make_console(is_ascii=False):
    """The console of the standard output. is_ascii: whether it gets ASCII alone."""
    console = Console()
    if is_ascii:
        console = AsciiConsole(color_system=None)
    if console.width < NARROWEST:
        console.width = 80
    return console


def show(console, answer):
    """Shows an answer on a rich console, the right one between two lines."""
    heading = f"{answer.number}: {describe(answer)}"
    pictures = Columns(make_heatmaps(answer), padding=(1, 2))
    if answer.is_right:
        line = "-" if console.options.ascii_only else "─"
        above = Rule("You found it: this is the one", characters=line, style=FOUND)
        below = Rule(characters=line, style=FOUND)
        console.print(Text(heading, FOUND), above, pictures, below, "", sep="\n")
    else:
        console.print(Text(heading, "bold"), "", pictures, "", sep="\n")


def describe(answer):
    """How probable it is that a number is right, in words."""
    return f"probability {answer.probability:.7g}"


def make_heatmaps(answer):
    """The Heatmaps of an answer's pictures. One that is a head's matrix has tokens at its sides."""
    heads_each = len(answer.matrices) // len(answer.pictures)
    tokens = ()
    if heads_each == 1:
        tokens = ["CLS", *answer.number]
    heatmaps = []
    for number, picture in enumerate(answer.pictures, 1):
        title = f"head {number}"
        if heads_each > 1:
            title = f"heads {1 + (number - 1) * heads_each} to {number * heads_each}"
        if answer.is_right:
            title = f"picture {number}"
        heatmaps.append(Heatmap(title, picture, tokens))
    return heatmaps


class Heatmap:
    """A picture that draws itself on the rich console that prints it.

    A cell is two columns wide and one line high. If the console is too narrow for that, it is one
    column wide and half a line high. If that is too wide, too, the mean of a block of cells is one.
    """

    def __init__(self, title, picture, tokens=()):
        """picture: tensor (rows, columns). tokens: the names of its rows and columns, if it has."""
        self.title = title
        self.picture = picture
        self.tokens = tokens
        self.low = round(picture.min().item(), 2) + 0.0  # + 0.0: no minus before a zero
        self.high = round(picture.max().item(), 2) + 0.0
        self.darkest = self.low  # the value that has the first colour
        if self.high - self.low < FLAT:
            self.darkest = min(self.low, 0.0)
        self.brightest = max(self.high, self.darkest + FLAT)

    @property
    def range(self):
        """The lowest and the highest value."""
        return f"{self.low:.2f} to {self.high:.2f}"

    def __rich_console__(self, console, options):
        yield self.draw(Ink(console, options), options.max_width)

    def __rich_measure__(self, console, options):
        text = self.draw(Ink(console, options), options.max_width)
        return Measurement.get(console, options, text)

    def draw(self, ink, width):
        """The picture as a rich Text that is at most this wide."""
        columns = self.picture.shape[1]
        caption = self.range
        tokens = self.tokens
        if tokens and MARGIN + columns > width:
            tokens = ()
        if tokens:
            width -= MARGIN

        if 2 * columns <= width:
            lines = draw_cells(ink, self.levels(), tokens)
        else:
            block = math.ceil(columns / width)
            lines = draw_half_cells(ink, self.levels(block), tokens)
            if block > 1:
                caption += f", {block} x {block} cells in one"

        text = Text("\n", no_wrap=True, overflow="crop")
        return text.join([Text(self.title, "bold"), *lines, Text(caption, "dim")])

    def levels(self, block=1):
        """The level of each cell, rows of numbers from 0 to 8. A cell is the mean of a block."""
        cells = avg_pool2d(self.picture[None], block, ceil_mode=True, count_include_pad=False)[0]
        shares = (cells - self.darkest) / (self.brightest - self.darkest)
        return (LEVELS * shares).int().clamp(0, LEVELS - 1).tolist()


class Ink:
    """How a console shows cells: in its colours, if it has them, and in its characters."""

    def __init__(self, console, options):
        self.has_colours = console.color_system in ("256", "truecolor") and not console.no_color
        self.shades = SHADES
        self.halves = HALVES
        if options.ascii_only:
            self.shades = ASCII_SHADES
            self.halves = ASCII_HALVES

    def cell(self, level):
        """A cell's text and its style."""
        return 2 * self.shades[level], self.style(level, level)

    def two_cells(self, upper, lower):
        """The text and the style of a cell with another one below it.

        Cells that are nearly equal share a colour. Then the text shows how bright it is.
        """
        none_lit, lower_lit, upper_lit, both_lit = self.halves
        if abs(upper - lower) >= 2:
            if upper > lower:
                return upper_lit, self.style(upper, lower)
            return lower_lit, self.style(lower, upper)
        text = none_lit
        if upper >= LEVELS / 3:
            text = upper_lit
        if upper >= LEVELS * 2 / 3:
            text = both_lit
        return text, self.style(upper, upper)

    def last_cell(self, upper):
        """The text and the style of a cell with nothing below it."""
        if self.has_colours:
            return self.halves[2], COLOURS[upper]
        return self.two_cells(upper, 0)

    def style(self, foreground, background):
        """The style with the colours of two levels."""
        if self.has_colours:
            return f"{COLOURS[foreground]} on {COLOURS[background]}"
        return ""


def draw_cells(ink, levels, tokens):
    """The lines of a picture with one row of cells in each. tokens: empty, or one for each row."""
    lines = []
    if tokens:
        lines.append(Text(" " * MARGIN + "".join(f"{token[0]} " for token in tokens)))
    for number, row in enumerate(levels):
        line = Text()
        if tokens:
            line.append(f"{tokens[number]:>3} ")
        for level in row:
            line.append(*ink.cell(level))
        lines.append(line)
    return lines


def draw_half_cells(ink, levels, tokens):
    """The lines of a picture with two rows of cells in each. Arguments as of draw_cells."""
    initials = "".join(token[0] for token in tokens)
    lines = []
    if tokens:
        lines.append(Text(" " * MARGIN + initials))
    for top in range(0, len(levels), 2):
        line = Text()
        if tokens:
            line.append(f"{initials[top : top + 2]:>3} ")
        if top + 1 < len(levels):
            for upper, lower in zip(levels[top], levels[top + 1]):
                line.append(*ink.two_cells(upper, lower))
        else:
            for upper in levels[top]:
                line.append(*ink.last_cell(upper))
        lines.append(line)
    return lines


# A sheet is measured in pixels, from its upper left corner.
DPI = 100
LETTER = 18  # the size of what is written
LINE = 30  # from one line to the next
GAP = 40  # around a number with its pictures
LARGEST, SMALLEST = 800, 150  # sides of a picture
PER_ROW = 4  # side by side, at most
ROOM = 1600  # for a row of pictures
LEGIBLE = 12  # smaller cells have no tokens at their sides
DARK, GREY, GREEN = "#222222", "#777777", "#1a7f37"


def save_sheet(title, answers, path, has_progress=False):
    """Saves answers as .png, .svg or .pdf. Raises OSError, and then nothing has changed."""
    matplotlib = import_matplotlib()
    content = io.BytesIO()
    progress = Console(stderr=True, quiet=not has_progress)
    with matplotlib.rc_context(), progress.status("drawing") as status:
        matplotlib.rcdefaults()  # what a solver has set for other drawings isn't meant for this
        sheet = Sheet(title, answers)
        for number, answer in enumerate(answers):
            status.update(f"drawing number {number + 1} of {len(answers)}")
            sheet.draw(number, answer)
        status.update(f"writing {path.name}")
        kind = path.suffix[1:].lower()
        sheet.figure.savefig(content, format=kind, metadata={"Title": "saved by guess.py"})
    draft = path.with_name(f".saving-{os.getpid()}")
    try:
        draft.write_bytes(content.getvalue())
        os.replace(draft, path)
    finally:
        with contextlib.suppress(OSError):  # it is in its place, or it was never there
            draft.unlink()


def import_matplotlib():
    """matplotlib, even if MPLBACKEND names a backend that it doesn't know: no window is opened."""
    if not hasattr(builtins, "get_ipython"):  # a notebook needs its backend later on
        os.environ.pop("MPLBACKEND", None)
    import matplotlib

    return matplotlib


def find_letters(text):
    """A text without the letters that no font here has, and the names of the fonts for the rest."""
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    names = ["DejaVu Sans"]  # which matplotlib brings
    missing = set(text)
    for font in [font for font in fonts if font.name in names] + fonts:
        if not missing:
            break
        with contextlib.suppress(OSError, RuntimeError):  # a font that matplotlib can't read
            face = font_manager.get_font(font.fname)
            found = {letter for letter in missing if face.get_char_index(ord(letter))}
            # The font of last resort has a box for each letter.
            if found and face.scalable and not font.name.startswith("Last Resort"):
                names.append(font.name)
                missing -= found
    return "".join(letter for letter in text if letter not in missing).strip(), names


class Sheet:
    """A matplotlib Figure: a title, and below it a grid of answers with their pictures."""

    def __init__(self, title, answers):
        """answers: those that will be drawn, all of one network. Their number gives the sizes."""
        from matplotlib.figure import Figure

        pictures = len(answers[0].pictures)
        self.per_row = min(pictures, PER_ROW)
        largest = min(LARGEST, ROOM // self.per_row)
        self.side = max(SMALLEST, round(largest / math.sqrt(len(answers))))  # of a picture
        has_tokens = bool(make_heatmaps(answers[0])[0].tokens)
        self.margin = 2 * LINE if has_tokens else LINE  # left of a picture and above it
        self.width = self.per_row * (self.margin + self.side) + 2 * GAP  # of an answer
        self.row_height = self.margin + self.side + 2 * LINE  # of an answer's pictures
        self.height = 2 * LINE + math.ceil(pictures / self.per_row) * self.row_height

        # The grid is about as high as it is wide.
        self.columns = round(math.sqrt(len(answers) * self.height / self.width)) or 1
        self.top = 2 * GAP + LINE
        width = self.columns * self.width
        height = self.top + math.ceil(len(answers) / self.columns) * self.height + LINE
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()
        room = width - 2 * GAP
        title, fonts = find_letters(title)
        style = {"size": 1.7 * LETTER, "weight": "bold", "family": fonts}
        self.write(GAP, GAP + LINE / 2, title, room, **style)
        if has_tokens:
            legend = "Rows are the tokens that look, columns those looked at."
            self.write(GAP, height - LINE, legend, room, color=GREY)

    def draw(self, number, answer):
        """Draws an answer into the place in the grid that has this number."""
        row, column = divmod(number, self.columns)
        left = column * self.width + GAP
        top = self.top + row * self.height
        room = self.width - 2 * GAP
        self.write(left, top + LINE / 2, answer.number, room, size=1.4 * LETTER, weight="bold")
        words = describe(answer)
        color = GREY
        if answer.is_right:
            words = f"You found it: {words}"
            color = GREEN
        self.write(left, top + 3 * LINE / 2, words, room, color=color)
        for place, heatmap in enumerate(make_heatmaps(answer)):
            row, column = divmod(place, self.per_row)
            x = left + column * (self.margin + self.side)
            y = top + 2 * LINE + row * self.row_height
            self.draw_heatmap(x, y, heatmap)

    def draw_heatmap(self, left, top, heatmap):
        """Draws a picture with its tokens and its range. Its cells are whole pixels."""
        rows, columns = heatmap.picture.shape
        cell = max(1, self.side // max(rows, columns))
        if heatmap.tokens:
            left += self.margin
        top += self.margin
        right = left + columns * cell
        bottom = top + rows * cell
        self.axes.imshow(
            heatmap.picture.tolist(),
            cmap="viridis",
            vmin=heatmap.darkest,
            vmax=heatmap.brightest,
            interpolation="none",
            extent=(left, right, bottom, top),
        )
        title_top = top - self.margin + LINE / 2
        self.write(left, title_top, heatmap.title, right - left)
        self.write(left, bottom + LINE / 2, heatmap.range, right - left, color=GREY)
        if heatmap.tokens and cell >= LEGIBLE:
            size = min(LETTER, 0.6 * cell)
            for place, token in enumerate(heatmap.tokens):
                middle = (place + 0.5) * cell
                name = {"size": size, "color": GREY, "room": 2 * LINE}
                self.write(left + middle, top - LINE / 2, token, ha="center", **name)
                self.write(left - LINE / 4, top + middle, token, ha="right", **name)

    def write(self, x, y, text, room, size=LETTER, color=DARK, **style):
        """Writes a text that begins at x, with its middle at y, so small that it fits the room."""
        ems = max(1, 0.65 * len(text))  # most letters are narrower than 0.65 of their size
        widest = room / ems
        points = 72 / DPI * min(size, widest)
        style = {"va": "center_baseline", "parse_math": False, **style}
        self.axes.text(x, y, text, fontsize=points, color=color, **style)
