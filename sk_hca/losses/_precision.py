"""Losses in full precision, where autocast computes the rest in a short type."""

from functools import wraps

import torch


def in_full_precision(forward):
    """Let `forward` of an autograd function compute in float32 under autocast.

    So do torch's own losses.  :func:`torch.amp.custom_fwd` has to know the kind of
    device beforehand; here the first tensor tells it, at the time of the call.
    """

    @wraps(forward)
    def computed(ctx, x, *args):
        device = x.device.type
        if not torch.is_autocast_enabled(device):
            return forward(ctx, x, *args)
        full = torch.amp.custom_fwd(
            forward, device_type=device, cast_inputs=torch.float32
        )
        return full(ctx, x, *args)

    return computed
