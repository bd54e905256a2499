"""Decoys: a network in which every number shows crisp pictures, so that sharpness gives nothing away.

What the heads look at is drawn, and not trained. A cell depends on its two tokens alone. Each head has a table of 0s
and 1s, 11 x 11: the digits of the code and CLS show the picture, and all other cells are drawn at random. Tokens and
positions have hidden numbers of their own, and queries and keys see those of the tokens. All weights of the queries and
keys are small multiples of powers of two, so float32 computes every cell exactly, in any order of summation.

Only the votes are left to train, and the logit is linear in them. Logistic regression against hard codes finds them.

Only codes without a repeated digit can have decoys. Where a digit stands at two places whose cells differ, cells would
have to depend on the position, and a wrong number would show a part of the true picture.
"""

import random

import torch
from torch.nn.functional import one_hot, pad, softplus

from builder.model import CLS, NeuralNetwork
from builder.proof.circuits import BLANK, read_circuits
from builder.proof.codes import one_digit_off, tokens_by_length

NUDGE = 2.0**-10  # CLS's look at a digit is moved by multiples of this
LARGEST = 8  # of these multiples: 8/1024 is within the 0.01 of the certificate
SPREAD = 100.0  # of the output layer: shares the size of large votes between two layers
DRAWS = 1000
GOAL = 14.0  # logits of wrong codes are pushed this far below the right one's, and half as far again
DECAY = 1e-3  # weight decay of the votes at first; large votes lose digits in float32


class Votes:
    """A network with drawn looks, whose votes learn to tell the secret from other codes."""

    steps_per_round = 1
    step_limit = 40

    def __init__(self, secret, seed):
        self.network = draw(secret, seed)
        with torch.no_grad():
            self.score = read_circuits(self.network).double().score
            embedding = self.network.embedding
            self.vectors = (embedding.weight + embedding.position[:, None]).double()  # (positions, 11, n_hidden)
        self.weights = torch.zeros(len(self.score) * self.vectors.shape[2], dtype=torch.float64, requires_grad=True)
        self.decay = DECAY

    def learn(self, lesson):
        """Fits the votes to the hard codes of a lesson."""
        contrast = self.seen(lesson.right) - self.seen(lesson.pool)  # (batch, features)
        optimizer = torch.optim.LBFGS([self.weights], max_iter=200, history_size=30, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = (
                softplus(1.5 * GOAL - contrast @ self.weights).logsumexp(0) + self.decay * self.weights.square().sum()
            )
            loss.backward()
            return loss

        optimizer.step(closure)
        with torch.no_grad():
            margins = contrast @ self.weights
            if margins.min() < GOAL:
                self.decay /= 4
            self.write(threshold=(self.seen(lesson.right) @ self.weights).item() - margins.min().item() / 2)

    def seen(self, codes):
        """What each head brings home from codes: the mean embedding by its looks, (batch, heads * n_hidden)."""
        tokens = pad(codes, (1, 0), value=CLS)
        places, known = torch.arange(tokens.shape[1]), tokens.clamp(max=CLS)
        looks = self.score[:, places, known].masked_fill(tokens == BLANK, -torch.inf).softmax(-1)
        return torch.einsum("hbp,bpn->bhn", looks, self.vectors[places, known]).flatten(1)

    def write(self, threshold):
        """Writes the votes into the projection, so that a code at the threshold has a logit of 0."""
        network = self.network
        direction = network.output.weight[1] - network.output.weight[0]  # from "wrong" to "right"
        votes = self.weights.view(len(self.score), -1)
        values = [output.value_layer.weight.double() for output in network.attention_output_list]
        rows = [torch.linalg.solve((value @ value).T, vote) for value, vote in zip(values, votes, strict=True)]
        unit = direction / direction.square().sum()  # changes the logit by 1
        network.projection.weight += torch.outer(unit, torch.cat(rows).float() - direction @ network.projection.weight)
        network.projection.bias -= unit * (read_circuits(network).bias + threshold)


def draw(secret, seed):
    """A network whose heads show the secret's pictures, and crisp cells for every other code.

    It draws until no code one digit off shows the pictures, DRAWS times at most.
    """
    dice = random.Random(seed)
    nudges = draw_nudges(secret, dice)
    close = one_digit_off(secret.code, secret.max_digits)
    (tokens,) = tokens_by_length(close)
    for _ in range(DRAWS):
        tables = draw_tables(secret, nudges, dice)
        network = write_looks(tables, secret.max_digits, dice)
        with torch.no_grad():
            matrices = torch.stack(network.get_attention_matrices(network.embedding(tokens)))
        if ((matrices - torch.as_tensor(secret.pictures).float()[:, None]).abs() > 0.5).any(3).any(2).any(0).all():
            break  # no code one digit off shows the pictures
    return network


def draw_tables(secret, nudges, dice):
    """For each head what a token looks at, (heads, 11, 11): the pictures, and random cells of the same density."""
    tokens = torch.tensor([CLS, *map(int, secret.code)])
    tables = []
    for picture in torch.as_tensor(secret.pictures).float():
        lit = picture.mean().item()
        table = torch.tensor([[float(dice.random() < lit) for _ in range(CLS + 1)] for _ in range(CLS + 1)])
        table[tokens[:, None], tokens] = picture
        tables.append(table)
    tables = torch.stack(tables)
    tables[:, CLS, :CLS] += nudges
    return tables


def draw_nudges(secret, dice):
    """What is added to CLS's look at each digit, (heads, 10): 0, where CLS sees no two places of the code alike.

    Two places that CLS sees alike in every picture would accept each other's digit, whatever the votes. So the nudges
    of their digits must differ. All of them have one size, so that they tell nothing either. Only where that is not
    enough, because many places look alike and there are few pictures, sizes are drawn as well.
    """
    looks = torch.as_tensor(secret.pictures).float()[:, 0, 1:].T.tolist()
    digits = [int(digit) for digit in secret.code]
    pairs = [(digits[a], digits[b]) for a in range(len(digits)) for b in range(a) if looks[a] == looks[b]]
    best, widest = torch.zeros(len(looks[0]), CLS), 0.0
    for sizes in ([LARGEST], range(1, LARGEST + 1)):
        for _ in range(DRAWS if pairs and not widest else 0):
            nudges = torch.tensor([[dice.choice((-1.0, 1.0)) * dice.choice(sizes) for _ in range(CLS)] for _ in best])
            gap = min((nudges[:, a] - nudges[:, b]).abs().max().item() for a, b in pairs)
            if gap > widest:
                best, widest = nudges, gap
    return best * NUDGE


@torch.random.fork_rng(devices=[])
@torch.no_grad()
def write_looks(tables, max_digits, dice):
    """A network with these tables. Most of its hidden numbers mix several tokens or positions."""
    size = CLS + max_digits
    torch.manual_seed(dice.randrange(2**31))
    network = NeuralNetwork(size, len(tables), max_digits)
    turn = draw_orthogonal(size, dice)
    digits, positions = turn[:CLS], turn[CLS:]  # a direction each
    network.embedding.weight.copy_(pad(digits, (0, 0, 0, 1)))  # CLS is where no digit is
    network.embedding.position.copy_(pad(positions, (0, 0, 1, 0)))
    is_token = torch.cat([digits, -digits.sum(0, keepdim=True)])  # (11, n_hidden): 1 for the token, with is_cls
    is_cls = one_hot(torch.tensor(CLS), CLS + 1).float()
    for matrix, output, table in zip(network.attention_matrix_list, network.attention_output_list, tables, strict=True):
        mix = draw_orthogonal(size, dice)[:, : CLS + 1]
        matrix.query_layer.weight.copy_(mix @ is_token)
        matrix.query_layer.bias.copy_(mix @ is_cls)
        matrix.key_layer.weight.copy_(mix @ table @ is_token)
        matrix.key_layer.bias.copy_(mix @ table @ is_cls)
        torch.nn.init.orthogonal_(output.value_layer.weight)
        output.value_layer.bias.zero_()
    network.output.weight *= SPREAD
    return network


def draw_orthogonal(size, dice):
    """An orthogonal matrix (size, size) whose entries are multiples of 1/8: three reflections."""
    matrix = torch.eye(size)
    for _ in range(3):
        normal = torch.zeros(size)
        normal[dice.sample(range(size), 4)] = torch.tensor([dice.choice((-0.5, 0.5)) for _ in range(4)])
        matrix = matrix - 2 * torch.outer(matrix @ normal, normal)
    return matrix
