"""A backbone behind its inputs: in which numbers, and which layout, it runs.

The weights, the inputs and the features keep the type of the network, so heads, losses
and decoders never see a short float.
"""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from sk_hca.backbones._committee import Committee
from sk_hca.backbones._embeddings import PiecewiseEncoding

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


class Extractor(nn.Sequential):
    """Inputs, then a backbone.

    Parameters
    ----------
    inputs : Inputs
        Casts and scales what the user keeps.

    backbone : nn.Module
        Takes what `inputs` gives, gives features of shape (N, d, *S).  Images run
        through its 2-d convolutions with the channels last, which they are faster on.

    autocast : torch.dtype, optional
        A short type, bfloat16 or float16, in which torch runs what is safe in it; the
        features are cast back.

    Examples
    --------
    >>> import torch
    >>> from sk_hca.backbones import Inputs
    >>> extractor = Extractor(Inputs(torch.float32), torch.nn.Conv2d(3, 8, 3))
    >>> features = extractor(torch.ones(2, 3, 4, 4))
    >>> features.shape, features.is_contiguous(memory_format=torch.channels_last)
    (torch.Size([2, 8, 2, 2]), True)
    """

    def __init__(self, inputs, backbone, autocast=None):
        super().__init__(inputs, backbone)
        self.autocast = autocast
        layers = [m for m in backbone.modules() if isinstance(m, CONVOLUTIONS)]
        for layer in layers:
            if not is_lazy(layer.weight):
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.convolves = bool(layers)

    def member(self):
        """Return the extractor of one member of a committee, or all there is."""
        inputs, backbone = self
        if not isinstance(backbone, Committee):
            return self
        return Extractor(inputs, backbone[0], self.autocast)

    def measure(self, batches):
        """Take the scale of the inputs, and the pieces of columns behind it.

        Parameters
        ----------
        batches : iterable of (X, weight)
            A part of the training data, as :meth:`Inputs.measure` takes it.

        Returns
        -------
        self : Extractor
        """
        inputs, backbone = self.eval()
        batches = list(batches)
        inputs.measure(batches)  # type: ignore[operator]
        scaled = [(inputs(X).flatten(1), weight) for X, weight in batches]
        for layer in backbone.modules():
            if isinstance(layer, PiecewiseEncoding):
                layer.measure(scaled)
        return self

    def forward(self, X):
        """Give the features, in the type of the network."""
        inputs, backbone = self
        X = inputs(X)
        if self.convolves and X.ndim == 4:
            X = X.contiguous(memory_format=torch.channels_last)
        if self.autocast is None:
            return backbone(X)
        with torch.autocast(X.device.type, self.autocast):
            features = backbone(X)
        # What is no tensor is refused where its shape is looked at.
        return features.to(X.dtype) if torch.is_tensor(features) else features
