"""Runs the code cells of a notebook in the current folder, as a kernel would: a script.

It reads a JSON list of sources from the standard input, and writes a JSON list with the outputs of
each cell (nbformat 4) to the standard output. It ends with the first cell's traceback that fails.
"""

import base64
import contextlib
import io
import json
import os
import sys

import matplotlib

matplotlib.use("agg")
matplotlib.rcdefaults()  # the author's own settings are not part of the notebook

from matplotlib import pyplot  # noqa: E402


def run(source, namespace):
    """The outputs of one cell: what it prints, then each figure that it draws."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<cell>", "exec"), namespace)
    outputs = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    for number in pyplot.get_fignums():
        outputs.append(figure_output(pyplot.figure(number)))
    pyplot.close("all")
    return outputs


def figure_output(figure):
    """A figure as the output of a cell."""
    png = io.BytesIO()
    figure.savefig(png, format="png", bbox_inches="tight", metadata={"Software": None})
    data = {
        "image/png": base64.b64encode(png.getvalue()).decode() + "\n",
        "text/plain": ["a figure"],
    }
    return {"output_type": "display_data", "data": data, "metadata": {}}


def main():
    sys.path[0] = os.getcwd()  # a kernel imports from its notebook's folder
    sys.dont_write_bytecode = True
    namespace = {"__name__": "__main__"}
    sources = json.load(sys.stdin)
    results = [run(source, namespace) for source in sources]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
