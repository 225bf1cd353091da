"""Train a small network for a long time, on a machine that may be taken away at any moment.
It needs numpy: pip install numpy

holdfast run examples/training.py --id digits -p steps=200000 --for 20s  # exit 75: time is up
holdfast resume digits --for 20s     # and again, until it ends with 0; SIGTERM leaves in order too

The weights in the end are, to the bit, those of a training that nothing interrupted: the state
that is saved holds the random generator, too.
"""

import hashlib

import numpy as np

from holdfast import progress, save, saved, step, workflow

EXAMPLES, INPUTS, HIDDEN, BATCH = 2_000, 16, 32, 64
RATE, MOMENTUM = 0.05, 0.9
NAMES = ("w1", "b1", "w2", "b2")


def examples(seed):
    """Return what is learned: whether the product of the first two inputs is above that of the
    next two."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(EXAMPLES, INPUTS))
    return x, (x[:, 0] * x[:, 1] > x[:, 2] * x[:, 3]).astype(float)


def begun(seed):
    """Return untrained weights, their velocities, and the generator that picks the batches."""
    rng = np.random.default_rng(seed + 1)
    shapes = ((INPUTS, HIDDEN), (HIDDEN,), (HIDDEN,), (1,))
    weights = {
        name: rng.normal(size=shape) * 0.3 for name, shape in zip(NAMES, shapes, strict=True)
    }
    return weights, {name: np.zeros_like(weights[name]) for name in NAMES}, rng


def packed(at, weights, speeds, rng):
    """Return the state as plain values: an array as the bytes that it is made of."""
    arrays = [{name: part[name].tobytes() for name in NAMES} for part in (weights, speeds)]
    return {"at": at, "arrays": arrays, "rng": rng.bit_generator.state}


def unpacked(state, seed):
    """Return the state that `packed` packed."""
    weights, speeds, rng = begun(seed)
    for part, stored in zip((weights, speeds), state["arrays"], strict=True):
        for name in NAMES:
            part[name] = np.frombuffer(stored[name]).reshape(part[name].shape).copy()
    rng.bit_generator.state = state["rng"]
    return state["at"], weights, speeds, rng


def forward(weights, x):
    hidden = np.tanh(x @ weights["w1"] + weights["b1"])
    return hidden, 1 / (1 + np.exp(-(hidden @ weights["w2"] + weights["b2"])))


def learn(weights, speeds, x, y):
    """Take one step of gradient descent with momentum."""
    hidden, guess = forward(weights, x)
    slope = (guess - y) / len(y)
    back = np.outer(slope, weights["w2"]) * (1 - hidden**2)
    slopes = {
        "w1": x.T @ back, "b1": back.sum(0), "w2": hidden.T @ slope, "b2": slope.sum(keepdims=True),
    }  # fmt: skip
    for name in NAMES:
        speeds[name] = MOMENTUM * speeds[name] - RATE * slopes[name]
        weights[name] += speeds[name]


@step("train")
def train(steps, seed, save_every):
    """Return the digest of the trained weights, and how often they are right."""
    x, y = examples(seed)
    state = saved()
    at, weights, speeds, rng = unpacked(state, seed) if state else (0, *begun(seed))
    while at < steps:
        chosen = rng.integers(0, EXAMPLES, BATCH)
        learn(weights, speeds, x[chosen], y[chosen])
        at += 1
        if at % save_every == 0:
            save(packed(at, weights, speeds, rng))
            progress(at, steps)
    digest = hashlib.sha256(b"".join(weights[name].tobytes() for name in NAMES)).hexdigest()
    right = np.mean((forward(weights, x)[1] > 0.5) == (y > 0.5))
    return {"sha256": digest, "right": round(float(right), 4)}


@workflow
def training(steps: int = 10_000, seed: int = 1, save_every: int = 500):
    return train(steps, seed, save_every)
