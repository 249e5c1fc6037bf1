"""The real benchmarks, with the recipes of the paper and of the papers it follows.

Nothing is downloaded, but for weights that torchvision fetches where a recipe starts
from ImageNet.  All of it needs a GPU, torchvision, Pillow, and hours.

- Ages: ResNet-50 from chance on 224 x 224 pixels, Adam, 90 epochs of batches of 256 at
  1e-3, a tenth of it after 60 and 80, random crops and flips (Yang et al., 2021).  With
  RankSim, AgeDB-DIR has batches of 64 at 2.5e-4 (Gong et al., 2022).  The authors keep
  the epoch that is best on the validation images; here the last one answers.
- Depths: ResNet-50 from ImageNet with up-projections, 228 x 304 pixels to 114 x 152,
  Adam, 10 epochs of batches of 32 at 1e-4, a tenth of it after 5, tested on equally
  many pixels of every 0.1 m (Yang et al., 2021).
- Crowds: VGG-16 from ImageNet to local counts of 32 x 32 pixels, Adam at 1e-5 with
  clipped gradients, 2800 epochs, a tenth after 2500, as in the release of Xiong and
  Yao (2022) for another crowd.  Its random crops of 512 pixels in batches of 6 are
  tiles of 256 in batches of 24 here, and test images are tiles too.

The weight of RankSim for depths, and the optimiser of stage two, are nowhere told.
"""

import numpy as np
from paper import (
    COUNT_COLUMNS,
    DEPTH_COLUMNS,
    SHOT_COLUMNS,
    Task,
    count_errors,
    depth_errors,
    shot_errors,
)
from skorch.callbacks import GradientNormClipping, LRScheduler
from torch.utils.data import Dataset

from sk_hca.backbones import TorchvisionBackbone
from sk_hca.binning import LogBinner
from sk_hca.regularizers import RankSim

# Crops of images for crowds, and the pixels of a local count.
TILE, STRIDE = 256, 32


def steps(*milestones, **others):
    """Lower the learning rate to a tenth at some epochs; load files by processes."""
    schedule = LRScheduler("MultiStepLR", milestones=list(milestones), gamma=0.1)
    workers = {f"iterator_{part}__num_workers": 8 for part in ("train", "valid")}
    return {"callbacks__schedule": schedule, **workers, **others}


def faces(name, root):
    """Load IMDB-WIKI-DIR or AgeDB-DIR."""
    from torchvision.transforms import v2

    from sk_hca import datasets

    load = {"imdb_wiki": datasets.load_imdb_wiki_dir, "agedb": datasets.load_agedb_dir}
    data = load[name](root)
    images = datasets.ImageFiles(size=(224, 224))
    slower = {"batch_size": 64, "lr": 2.5e-4} if name == "agedb" else {}
    return Task(
        {"imdb_wiki": "IMDB-WIKI-DIR", "agedb": "AgeDB-DIR"}[name],
        *(images.fit_transform(data.train.data), data.train.target),
        *(images.transform(data.test.data), data.test.target),
        edges=np.arange(-0.5, 121.0),
        measure=shot_errors,
        columns=SHOT_COLUMNS,
        settings={
            "backbone": TorchvisionBackbone("resnet50"),
            "optimizer": "adam",
            "lr": 1e-3,
            "max_epochs": 90,
            "batch_size": 256,
            "augment": v2.Compose(
                [v2.RandomCrop(224, padding=16), v2.RandomHorizontalFlip()]
            ),
            "net_params": steps(60, 80),
        },
        weighting_bins=np.arange(-0.5, 121.0),
        ranked={"penalty": RankSim(100.0), **slower},
        student={"lr": 1e-3},
    )


def rooms(root):
    """Load NYUD2-DIR; all depth maps are held in memory, 4 GB."""
    from torchvision.models import ResNet50_Weights

    from sk_hca.backbones import DepthBackbone
    from sk_hca.datasets import ImageFiles, load_nyud2_dir, read_depth_maps

    data = load_nyud2_dir(root)
    images = ImageFiles(size=(240, 320))
    y_test = read_depth_maps(data.test.target, shape=(228, 304))
    if data.test_balanced_mask is not None:
        y_test[~data.test_balanced_mask] = np.nan
    return Task(
        "NYUD2-DIR",
        Window(images.fit_transform(data.train.data)),
        read_depth_maps(data.train.target),
        Window(images.transform(data.test.data)),
        y_test,
        edges=LogBinner(100),
        measure=depth_errors,
        columns=DEPTH_COLUMNS,
        settings={
            "backbone": DepthBackbone(
                "resnet50", weights=ResNet50_Weights.IMAGENET1K_V1
            ),
            "optimizer": "adam",
            "lr": 1e-4,
            "max_epochs": 10,
            "batch_size": 32,
            "net_params": steps(5, optimizer__weight_decay=1e-4),
        },
        weighting_bins=np.linspace(0.0, 10.0, 101),
        ranked={"penalty": RankSim(100.0)},
        student={"lr": 1e-3},
    )


class Window(Dataset):
    """The middle 228 x 304 of images of 240 x 320 pixels, like the depth maps.

    Parameters
    ----------
    images : Dataset
        Images of shape (240, 320, 3).
    """

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        """Read one image."""
        return self.images[index][6:-6, 8:-8]


def people(root, part):
    """Load ShanghaiTech, cut into tiles."""
    from torchvision.models import VGG16_BN_Weights

    from sk_hca.datasets import load_shanghaitech

    data = load_shanghaitech(root, part)
    X_train, y_train, _ = cut(data.train)
    X_test, y_test, groups = cut(data.test)
    return Task(
        f"ShanghaiTech {part}",
        *(X_train, y_train, X_test, y_test),
        edges=LogBinner(100, lower=5e-3),
        measure=count_errors,
        columns=COUNT_COLUMNS,
        settings={
            "backbone": TorchvisionBackbone(
                "vgg16_bn", weights=VGG16_BN_Weights.IMAGENET1K_V1, pooled=False
            ),
            "optimizer": "adam",
            "lr": 1e-5,
            "max_epochs": 2800,
            "batch_size": 24,
            "callbacks": [GradientNormClipping(20.0)],
            "net_params": steps(2500, optimizer__weight_decay=5e-4),
        },
        student={"lr": 1e-3},
        groups=groups,
    )


def cut(split):
    """Cut images into tiles, with the count of every cell; black where they end."""
    from PIL import Image

    from sk_hca.datasets import local_counts

    tiles, counts, groups = [], [], []
    for number, (path, points) in enumerate(zip(split.data, split.target, strict=True)):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        margins = [(0, -size % TILE) for size in pixels.shape[:2]]
        pixels = np.pad(pixels, [*margins, (0, 0)])
        # Some heads are marked on the border of their image, or just beyond.
        inside = np.clip(points, 0, np.array(pixels.shape[1::-1]) - 1)
        cells = local_counts(inside, pixels.shape[:2], STRIDE)
        n_cells = TILE // STRIDE
        for row in range(pixels.shape[0] // TILE):
            for column in range(pixels.shape[1] // TILE):
                of_image, of_counts = (
                    np.s_[row * n : (row + 1) * n, column * n : (column + 1) * n]
                    for n in (TILE, n_cells)
                )
                tiles.append(pixels[of_image])
                counts.append(cells[of_counts])
                groups.append(number)
    return np.array(tiles), np.array(counts, dtype=np.float64), np.array(groups)
