"""What one would write without this package: two training loops, as plain as can be.

Both have the network, labels, batches and fused optimiser of the estimator, and nothing
else: no schedule, no history, no look-out for NaN.  All is float32.
"""

import math

import torch
from torch import nn
from torch.nn.functional import cross_entropy, l1_loss, softplus


def make_backbone(n_features=20):
    """Make the network of the benchmarks, 128 and 64 hidden units."""
    return nn.Sequential(
        nn.Linear(n_features, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()
    )


def standardised(X):
    """Give a table as a tensor whose columns have mean 0 and standard deviation 1."""
    X = torch.from_numpy(X)
    return (X - X.mean(dim=0)) / X.std(dim=0)


def train(modules, batch_loss, n_samples, batch_size, epochs):
    """Minimise a loss over shuffled batches, where the modules are."""
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, fused=True)
    for _ in range(epochs):
        order = torch.randperm(n_samples, device=parameters[0].device)
        for index in order.split(batch_size):
            loss = batch_loss(index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def train_plain(X, codes, sizes, batch_size, epochs, device="cpu"):
    """Train one fused linear layer of classifiers on class codes (Eq. 6)."""
    X, codes = standardised(X).to(device), torch.from_numpy(codes).to(device)
    backbone = make_backbone().to(device)
    heads = nn.Linear(64, sum(sizes), device=device)

    def batch_loss(index):
        levels = heads(backbone(X[index])).split(sizes, dim=1)
        truth = codes[index]
        return sum(cross_entropy(z, truth[:, h]) for h, z in enumerate(levels))

    train([backbone, heads], batch_loss, len(X), batch_size, epochs)


def soft_labels(y, edges, values, starts, sigma=0.75):
    """Integrate a Gaussian around each target, in classes, over every level's classes.

    `starts` holds the first fine class of every class of a level, and the number of
    fine classes; the Gaussian's area up to there is looked up.
    """
    index = torch.bucketize(y, edges[1:-1])
    lower, value, upper = edges[index], values[index], edges[index + 1]
    below, above = (y - lower) / (value - lower), 1 + (y - value) / (upper - value)
    inside = torch.where(y < value, below, above).nan_to_num(1.0).clamp(0, 2)
    gap = torch.arange(len(edges)) - (index + 0.5 * inside).unsqueeze(1)
    area = torch.erf(gap / (sigma * math.sqrt(2)))
    area = area / (area[:, -1:] - area[:, :1])
    return [area[:, start].diff(dim=1) for start in starts]


def train_anchored(X, y, hierarchy, batch_size, epochs):
    """Train the default recipe: soft labels, and logits that lean on a location."""
    X, y = standardised(X), torch.from_numpy(y).float()
    center, scale = y.mean(), y.std()
    standard = (y - center) / scale
    edges = torch.from_numpy(hierarchy.edges_).float()
    values = torch.from_numpy(hierarchy.values_).float()
    starts = [
        torch.from_numpy(hierarchy.edges_.searchsorted(level.edges))
        for level in hierarchy.levels_
    ]
    places = [torch.from_numpy(level.values).float() for level in hierarchy.levels_]
    sizes, places = [len(p) for p in places], (torch.cat(places) - center) / scale
    backbone, heads = make_backbone(), nn.Linear(64, sum(sizes))
    locate = nn.Linear(64, 2)

    def batch_loss(index):
        features = backbone(X[index])
        location, width = locate(features).split(1, dim=1)
        anchor = (places - location).abs() / (softplus(width) + 1e-3)
        levels = (heads(features) - anchor).split(sizes, dim=1)
        truth = soft_labels(y[index], edges, values, starts)
        loss = sum(cross_entropy(z, p) for z, p in zip(levels, truth, strict=True))
        return loss + 3 * l1_loss(location.squeeze(1), standard[index])

    train([backbone, heads, locate], batch_loss, len(X), batch_size, epochs)
