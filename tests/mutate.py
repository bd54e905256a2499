"""Breaks the project in many small ways, one at a time, and says which of them the tests catch: python -m tests.mutate

Each mutation is made in a copy of the project in a temporary folder, where the tests named with it run until the first
fails. It takes some minutes. Ends with status 1 if a mutation is not caught, or if its text is not there exactly once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from builder.paths import ROOT

LONGEST = 120  # seconds: tests that take longer wait for something that the mutation has removed
COPIED = ("builder", "puzzle", "tests", "pyproject.toml", "README.md")


class Mutation(NamedTuple):
    """In a file, one text is replaced by another; tests (names of files in tests/) should notice."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def name(self):
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.file}: {old} -> {new or 'nothing'}"

    def occurs(self, root):
        """How often the old text is in the file."""
        return (root / self.file).read_text(encoding="utf-8").count(self.old)


def mutations(file, tests, *pairs):
    return [Mutation(file, old, new, tuple(tests.split())) for old, new in pairs]


MUTATIONS = [
    *mutations(
        "builder/certify.py",
        "test_certify",
        ("RIGHT = 0.999999", "RIGHT = 0.9"),
        ("FLAT = 110.0", "FLAT = 100.0"),
        ("\nCELL = 0.01", "\nCELL = 0.02"),
        ("OTHER_CELL = 0.25", "OTHER_CELL = 0.011"),
        ("self.probability >= RIGHT and ", ""),
        ("self.logit - self.rounding >= least", "self.logit >= least"),
        ("self.complete and ", ""),
        ("self.hardest_logit + self.rounding <= -FLAT and ", ""),
        ("self.hardest_logit + self.rounding <= -FLAT", "self.hardest_logit <= -FLAT"),
        (" and self.hardest_probability == 0", ""),
        ("self.hardest_probability == 0", "self.hardest_probability < 0.001"),
        ("self.fewest_wrong_cells >= 1", "True"),
        ("                self.survives,\n", "                True,\n"),
        ("self.crisp == 1", "self.crisp > 0.99"),
        ("        network = load(weights)", "        load(weights)"),
        ("survives = all(map(torch.equal", "survives = True or all(map(torch.equal"),
        ("hardest_probability=probabilities.max().item()", "hardest_probability=0.0"),
        ("rounding=rounding_bound(network)", "rounding=0.0"),
        ("complete=found.complete", "complete=True"),
        ("hardest_logit=found.logits[0]", "hardest_logit=found.logits[-1]"),
        ("wrong.sum((0, 2, 3)).min()", "wrong.sum((0, 2, 3)).max()"),
        ("if secret.decoys else None", "if False else None"),
    ),
    *mutations(
        "builder/weights.py",
        "test_certify test_hostile_weights",
        ("@torch.random.fork_rng(devices=[])", ""),
        ("len(set(archive.namelist())) == ", ""),
        (" <= ENTRIES", ""),
        (" or len(content) > LARGEST_FILE", ""),
        ("sum(entry.file_size for entry in entries) > len(content)", "False"),
        ("any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)", "False"),
        ('if opcode.name == "GLOBAL"} <= PLAIN', "if False} <= PLAIN"),
    ),
    *mutations(
        "builder/keyspace.py",
        "test_keyspace test_certify",
        ("range(1, max_digits + 1))", "range(1, max_digits))"),
        ("(codes != secret).any(1)]", "(codes != secret)[:, : max(1, len(code) - 1)].any(1)]"),
        ("torch.randint(1, max_digits + 1", "torch.randint(1, max_digits"),
    ),
    *mutations(
        "builder/circuits.py",
        "test_circuits",
        ("(look, product, self.vote)", "(look, self.vote)"),
        ("(*sums, self.bias)", "sums"),
        ("output.value_layer(output.value_layer(embedding))", "output.value_layer(embedding)"),
    ),
    *mutations(
        "builder/search.py",
        "test_search",
        (
            "return Nodes(allowed, ratio, torch.full((max_digits,), math.inf))",
            "return Nodes(allowed[:5], ratio[:5], torch.full((min(5, max_digits),), math.inf))",
        ),
        ("undecided = bounds.bound > floor", "undecided = bounds.bound > floor + 0.01"),
        ("nodes = nodes.where(nodes.bound > floor)", "nodes = nodes.where(nodes.bound > floor + 0.01)"),
        (" & ~is_secret\n", "\n"),
        ("for digits in (large, ~large)", "for digits in (large, large)"),
        ("before = rank[rows] < ", "before = rank[rows] <= "),
        ("self.look, 0.0).amax(3), present)", "self.look, math.inf).amin(3), present)"),
        ("excess.clamp(min=0)", "0 * excess"),
        ("            ratio = ratio + excess / there\n", "            break\n"),
        ("bound = self.circuits.bias + ", "bound = "),
        ("while stack and visited < budget", "while stack"),
        ("settled += codes_there - nodes.codes()", "settled += codes_there"),
        (".unique(dim=0)\n", "\n"),
        ("        places = places.where(most >= 0, places[:, :1])", "        pass"),
        ("if len(logits) == k else limit", "if len(logits) else limit"),
        ("@one_thread()\n", ""),
    ),
    *mutations(
        "builder/rounding.py",
        "test_rounding",
        ("rows_off = U * rows.abs()", "rows_off = 0 * rows"),
        ("(k @ query[0]).abs() @ rows_off[0]\n", "0\n"),
        ("            + k.abs() @ q_local\n", ""),
        ("            + rows_off @ (q @ key[0]).abs()\n", ""),
        ("            + k_local @ q.abs()\n", ""),
        ("            + gamma(n) * ((k.abs() + k_off) @ (q.abs() + q_off))\n", ""),
        ("gamma(4 * EXP_ULPS + positions + 2) + positions * SMALLEST", "0.0"),
        ("second_local = gamma(n + 1) * ", "second_local = 0 * "),
        ("        bound += math.tanh(score_off / 2) * (votes.max() - votes.min())\n", ""),
        ("        bound += (mean_off * v_size @ through.abs()).max()\n", ""),
        ("(rows_off @ (through @ value[0]).abs() + ", "("),
        (" + v_local @ through.abs()).max()", ").max()"),
        ("        bound += (second_local @ to_logit.abs()).max()\n", ""),
        ("    projected_terms = projection_bias.abs()", "    projected_terms = 0 * projection_bias"),
        ("        projected_terms = projected_terms + (second_size @ project.abs().T).amax(0)\n", ""),
        ("    bound += direction.abs() @ projected_local\n", ""),
        ("output.abs() @ (projected + projected_local) + output_bias.abs()", "output_bias.abs()"),
        (" + output_bias.abs())).sum()", ")).sum()"),
        ("return rows @ weight.T + bias, gamma(", "return rows @ weight.T + bias, 0 * gamma("),
    ),
    *mutations(
        "builder/train.py",
        "test_train",
        ("OTHER_CELL_GOAL = 0.5 ", "OTHER_CELL_GOAL = 0.05 "),
        ("in _attempt(secret, attempt, watch)", "in _attempt(secret, seed, watch)"),
        ("        if progress.certificate.holds:\n            return\n", ""),
        (" or lesson.blunt == BLUNT", ""),
        ("        with one_thread():\n            learner.learn(lesson)", "        learner.learn(lesson)"),
        ("if seed % 2:  #", "if False:  #"),
        ("LEARNING_RATES[seed % 2]", "LEARNING_RATES[0]"),
        ("            + relu(OTHER_CELL_GOAL - errors[:, 1:].amax((0, 2, 3))).sum()  # the close ones do not\n", ""),
        (
            "            + self.picture_weight * errors[:, 0].square().sum()",
            "            + errors[:, 0].square().sum() * 0",
        ),
        ("    lesson.add(found.codes)\n", ""),
        ("            except OverflowError:", "            except ZeroDivisionError:"),
        ("self.add(self.search(network, -MARGIN, HARD_CODES, HARD_NODES).codes)", "pass"),
        ("torch.cat([codes, self.pool, self.close]).unique(dim=0)", "torch.cat([codes, self.close]).unique(dim=0)"),
        ("return codes[(codes != self.right).any(1)]", "return codes"),
    ),
    *mutations(
        "builder/start.py",
        "test_start",
        ("else -places[digit]", "else places[digit]"),
        ("distance = 1 - places.min()", "distance = places.min()"),
        ("SPACING = 0.8", "SPACING = 0.0"),
        ("torch.stack([line, -line])", "torch.stack([-line, line])"),
        ("max(10, max_digits + 4)", "10"),
        ("    with torch.random.fork_rng(devices=[]):", "    if True:"),
    ),
    *mutations(
        "builder/finish.py",
        "test_finish",
        ("        head.key_layer.bias += change[:, -1]\n", ""),
        ("network = copy.deepcopy(network).double()", "network = network.double()"),
        ("    network = copy.deepcopy(network)\n", ""),
        ("torch.linalg.pinv(query, rtol=RANK)", "torch.linalg.pinv(query)"),
        ("(right - gap / 2)", "(right - gap)"),
        ("    network.output.bias *= scale\n", ""),
        (" - rounding_bound(network))", ")"),
        ("FLAT / (gap / 2", "FLAT / (gap"),
    ),
    *mutations(
        "builder/decoys.py",
        "test_decoys",
        ("LARGEST = 8  #", "LARGEST = 16  #"),
        ("        table[tokens[:, None], tokens] = picture\n", ""),
        ("    tables[:, CLS, :CLS] += nudges\n", ""),
        ("dice.random() < lit", "dice.random() < 1"),
        ("dice.choice((-1.0, 1.0)) * dice.choice(sizes)", "dice.choice((0.0, 1.0)) * dice.choice(sizes)"),
        ("dice = random.Random(seed)", "dice = random.Random(0)"),
        (
            "torch.tensor([dice.choice((-0.5, 0.5)) for _ in range(4)])",
            "torch.tensor([dice.choice((-0.3, 0.3)) for _ in range(4)])",
        ),
    ),
    *mutations("builder/decoys.py", "test_train", ("@torch.random.fork_rng(devices=[])\n", "")),
    *mutations("builder/threads.py", "test_threads", ("    finally:\n", "    except ZeroDivisionError:\n")),
    *mutations(
        "builder/secret.py",
        "test_decoys",
        ("len(set(code)) < len(code)", "False"),
        ("decoys and len(pictures) == 1 and ", "decoys and "),
        ("len(code) > MAX_DECOY_DIGITS_OF_ONE_PICTURE", "len(code) > MAX_DIGITS"),
    ),
    *mutations("builder/secret.py", "test_bundle test_secret", ("if len(code) < SPELLED_OUT:", "if False:")),
    *mutations("builder/advice.py", "test_advice", ("if secret.decoys else []", ""), ("len(code) > 5", "False")),
    *mutations(
        "builder/handout.py",
        "test_handout",
        ("example in code or ", ""),
        ("sorted(example) == sorted(code) or ", ""),
        (" or holds_code", ""),
        ("[secret.code.encode(), pictures, weights]", "[secret.code.encode(), weights]"),
        ("[secret.code.encode(), pictures, weights]", "[secret.code.encode(), pictures]"),
        ("min(3, max_digits))", "1)"),
        ("_close_fence(secret.story)", "secret.story"),
        ("edition[2].decode() == _digest(weights)", "True"),
    ),
    *mutations(
        "builder/attack.py",
        "test_attack",
        ("median <= GUESSES and median < mean_guesses / 2", "median <= GUESSES"),
        (", which is about what guessing takes", ""),
        ("self.guesses += 1", "self.guesses += 2"),
        ('random.Random(f"{seed} {number}")', "random.Random()"),
    ),
    *mutations(
        "builder/bundle.py",
        "test_bundle test_hostile_folders",
        ("(GUESS, README, REQUIREMENTS, MODEL, WEIGHTS)", "(WEIGHTS, GUESS, README, REQUIREMENTS, MODEL)"),
        ("    if not certificate.holds:\n", "    if False:\n"),
        ("            entry.external_attr = 0o644 << 16\n", ""),
        ("            entry.create_system = 3", "            entry.create_system = 0"),
        ("date_time=(1980, 1, 1, 0, 0, 0)", "date_time=(1981, 1, 1, 0, 0, 0)"),
        ("elif not is_made_for(contents[README], contents[WEIGHTS])", "elif False"),
        (
            "    for path in compiled(folder):\n        path.unlink(missing_ok=True)",
            "    for path in ():\n        pass",
        ),
        ("lambda: _check_readme(folder))", "lambda: None)"),
        ("        except ValueError:  # it is no text", "        except ZeroDivisionError:"),
        ("path.is_symlink() or not path.is_file()):", "not path.is_file()):"),
        ("    changed = [name for name in expected if contents[name] != expected[name]]", "    changed = []"),
    ),
    *mutations(
        "builder/files.py",
        "test_files test_bundle test_hostile_folders",
        ("        os.fsync(file.fileno())\n", ""),
        ("if not _holds(target, content)]", "]"),
        ("                check()\n", ""),
        ("            fcntl.flock(lock, fcntl.LOCK_EX)", "            pass"),
        ('        lock.write(b"half-written\\n")\n', ""),
        ("    with _uninterrupted():\n", "    if True:\n"),
        ('flags | getattr(os, "O_NOFOLLOW", 0)', "flags"),
    ),
    *mutations(
        "puzzle/guess.py",
        "test_weights test_hostile_weights",
        ("io.BytesIO(copy.getvalue())", "io.BytesIO(content)"),
        ("weight.is_contiguous() and ", ""),
        (" and weight.abs().max() <= 1e5", ""),
        ("all_heads // n_hidden > 8 or ", ""),
        (' or not 2 <= len(weights["embedding.position"]) <= 17', ""),
    ),
]


def copy_project(folder):
    """Copies the project's files into a folder."""
    for name in COPIED:
        path = ROOT / name
        leave_out = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(path, folder / name, ignore=leave_out) if path.is_dir() else shutil.copy(path, folder)


def run_tests(folder, tests):
    """The status of pytest, and its output. The status is 0 if all tests pass, and 1 if one fails or does not end."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *(f"tests/{test}.py" for test in tests),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=LONGEST
        )
        return ran.returncode, ran.stdout + ran.stderr
    except subprocess.TimeoutExpired:
        return 1, f"still running after {LONGEST} s"


def judge(mutation, folder):
    """What becomes of a mutation in a copy of the project: "caught", or why not."""
    if mutation.occurs(folder) != 1:
        return "NOT FOUND"
    path = folder / mutation.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return {0: "NOT CAUGHT", 1: "caught"}.get(run_tests(folder, mutation.tests)[0], "NOT RUN")
    finally:
        path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("files", nargs="*", help="only mutations of these files, such as builder/train.py")
    chosen = parser.parse_args().files
    wanted = [mutation for mutation in MUTATIONS if not chosen or mutation.file in chosen]
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # some tests run as another user
        copy_project(Path(folder))
        tests = sorted({test for mutation in wanted for test in mutation.tests})
        status, told = run_tests(Path(folder), tests)
        if status:
            print(f"{told}\nthe tests fail without a mutation", file=sys.stderr)
            return 1
        for mutation in wanted:
            verdict = judge(mutation, Path(folder))
            missed += verdict != "caught"
            print(f"{verdict}  {mutation.name}", flush=True)
    print(f"{len(wanted) - missed} of {len(wanted)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
