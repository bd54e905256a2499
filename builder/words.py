"""Numbers and lists as people write them."""


def counted(number, noun, plural=None):
    """A number with its noun: "1 cell", "2 cells", "1,492 parameters". plural: where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(words, conjunction="and"):
    """Words as a list in a sentence: "1", "1 and 2", "1, 2 and 3"."""
    *most, last = map(str, words)
    if not most:
        return last
    return f"{', '.join(most)} {conjunction} {last}"
