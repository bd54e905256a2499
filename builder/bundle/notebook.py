def make_notebook(secret, network, weights):
    return b"{}"
