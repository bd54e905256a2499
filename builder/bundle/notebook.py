"""The notebook that solvers may start from, made for each bundle from the template start.ipynb."""

import json

from builder.bundle.readme import draw_examples, fill


def make_notebook(secret, network, weights):
    """The notebook (bytes, nbformat 4.5) for solvers of a secret. Arguments as of make_readme."""
    first, _, _, fourth, fifth = draw_examples(secret, len(network.embedding.position) - 1, weights)
    title = json.dumps(secret.title, ensure_ascii=False)[1:-1]  # inside the quotes of a JSON string
    return fill("start.ipynb", title=title, first=first, fourth=fourth, fifth=fifth)
