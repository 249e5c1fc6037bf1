"""Pickles of tensors: the same numbers, type, layout and identity."""

import pickle

import pytest
import torch
from torch import nn

from sk_hca.training import pickled

FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
DTYPES = [*FLOATS, torch.int32, torch.int64, torch.uint8, torch.bool]


def again(obj):
    return pickle.loads(pickled(obj))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)], ids=str)
def test_tensors_come_back_as_they_were(dtype, shape):
    tensor = (3 * torch.rand(shape)).to(dtype)
    copy = again(tensor)
    assert copy.dtype == dtype
    assert torch.equal(copy, tensor)
    copy.add_(1) if dtype != torch.bool else copy.logical_not_()
    assert copy.numel() == 0 or not torch.equal(copy, tensor)


def test_layout_in_memory_comes_back():
    images = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    for tensor in (images, torch.rand(3, 4).t(), torch.rand(6)[::2]):
        assert again(tensor).stride() == tensor.stride()
        assert torch.equal(again(tensor), tensor)


def test_tensors_that_learn_or_tell_more_come_back_so():
    learning = torch.ones(2, requires_grad=True)
    assert again(learning).requires_grad
    told = torch.ones(2)
    told.unit = "years"
    assert again(told).unit == "years"


def test_what_is_shared_stays_shared():
    layer = nn.Linear(3, 3)
    tied = nn.ModuleList([layer, nn.Linear(3, 3)])
    tied[1].weight = layer.weight
    copy = again(tied)
    assert copy[0].weight is copy[1].weight
    assert isinstance(copy[0].weight, nn.Parameter)
    assert torch.equal(copy[0].weight, layer.weight)


def test_pickle_of_a_network_is_hardly_larger_than_its_weights():
    network = nn.Sequential(*(nn.Linear(20, 20) for _ in range(10)))
    n_bytes = sum(w.nbytes for w in network.parameters())
    assert len(pickled(network)) < 1.5 * n_bytes
