"""Whether a text that a build made is still as it was: each holds a check sum of itself.

Line ends don't count, because git changes them. Of a notebook only the cells count, because running
and saving it changes everything else.
"""

import json
import re
import zlib

# In a sentence of every text that a build makes: "the check sum, 0x0123abcd, tells ...".
CHECK_SUM = re.compile(r"(?<=check sum, )0x[0-9a-f]{8}(?=, )")
NO_CHECK_SUM = "0x00000000"  # stands in a text until it is sealed


def seal(text):
    """A text that holds NO_CHECK_SUM in such a sentence, with its own check sum instead: bytes."""
    return CHECK_SUM.sub(_check_sum(essence(text.encode())), text).encode()


def is_untouched(content):
    """Whether the content (bytes) of a file is what a build made, of whatever puzzle."""
    text = essence(content)
    found = CHECK_SUM.findall(text)
    return bool(found) and found[-1] == _check_sum(text)


def essence(content):
    """What counts of a text (bytes): of a notebook its cells, else everything but the line ends."""
    text = content.decode(errors="replace").replace("\r\n", "\n")
    try:
        cells = json.loads(text)["cells"]
        sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, TypeError, KeyError):  # it is not a notebook
        return text
    # Jupyter adds an empty cell when the last one was run.
    return "\n\n".join(f"{kind}:\n{source}" for kind, source in sources if source.strip())


def _check_sum(text):
    return f"0x{zlib.crc32(CHECK_SUM.sub('', text).encode()):08x}"
