"""What the files of a bundle are called."""

GUESS = "guess.py"
HEATMAP = "heatmap.py"
REQUIREMENTS = "requirements.txt"
README = "README.md"
NOTEBOOK = "start.ipynb"
PAGE = "try.html"
MODEL = "classifier/model.py"
WEIGHTS = "classifier/torch_state_dict"
# In the order in which they are written: the weights last, so the old network answers until then.
FILES = (MODEL, GUESS, HEATMAP, REQUIREMENTS, README, NOTEBOOK, PAGE, WEIGHTS)
