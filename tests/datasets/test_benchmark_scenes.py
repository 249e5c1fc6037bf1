"""Loaders of depth maps and crowds, on miniature folders of the same layout."""

import io
import os
import re
import sys

import numpy as np
import pytest
from scipy.io import savemat

from sk_hca.datasets import load_nyud2_dir, load_shanghaitech, read_depth_maps


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def write_scenes(root, n_train=3, n_test=2):
    """Write the lists and empty files; the lists call the root ``data``."""
    train = [f"nyu2_train/attic_0001_out/{i}" for i in range(n_train)]
    test = [f"nyu2_test/{i:05d}" for i in range(n_test)]
    pairs = {
        "nyu2_train.csv": [(f"{path}.jpg", f"{path}.png") for path in train],
        "nyu2_test.csv": [(f"{path}_colors.png", f"{path}_depth.png") for path in test],
    }
    for name, rows in pairs.items():
        lines = [f"data/{image},data/{depth}\n" for image, depth in rows]
        (root / name).write_text("".join(lines))
        for path in np.ravel(rows):
            touch(root / path)


def write_crowds(root, counts, part="part_A", truth="ground-truth"):
    """Write `counts[number]` points for every number, and return the points."""
    points = {}
    rng = np.random.default_rng(0)
    for split in ("train_data", "test_data"):
        folder = root / part / split
        (folder / truth).mkdir(parents=True)
        for number, count in counts.items():
            touch(folder / "images" / f"IMG_{number}.jpg")
            location = rng.uniform(0, 100, size=(count, 2))
            points[split, number] = location
            info = np.empty((1, 1), dtype=object)
            info[0, 0] = {"location": location, "number": count}
            savemat(folder / truth / f"GT_IMG_{number}.mat", {"image_info": info})
    return points


def assert_absolute_and_there(paths):
    assert paths.ndim == 1
    assert paths.dtype.kind == "U"
    assert all(os.path.isabs(path) and os.path.isfile(path) for path in paths)


def test_nyud2_lists_images_and_depth_maps(tmp_path):
    write_scenes(tmp_path)
    scenes = load_nyud2_dir(tmp_path)
    assert scenes.val is None
    assert scenes.test_balanced_mask is None
    for split, n_images in (("train", 3), ("test", 2)):
        for paths in (scenes[split].data, scenes[split].target):
            assert paths.shape == (n_images,)
            assert_absolute_and_there(paths)
    assert scenes.train.data[2] == str(tmp_path / "nyu2_train/attic_0001_out/2.jpg")
    assert scenes.test.target[1] == str(tmp_path / "nyu2_test/00001_depth.png")


def test_nyud2_reads_the_balanced_mask_where_there_is_one(tmp_path):
    write_scenes(tmp_path, n_test=2)
    mask = np.random.default_rng(0).integers(0, 2, (2, 228, 304), dtype=np.uint8)
    np.save(tmp_path / "test_balanced_mask.npy", mask)
    loaded = load_nyud2_dir(tmp_path).test_balanced_mask
    assert loaded.dtype == bool
    np.testing.assert_array_equal(loaded, mask == 1)


def test_nyud2_mask_of_another_list_is_refused(tmp_path):
    write_scenes(tmp_path, n_test=2)
    np.save(tmp_path / "test_balanced_mask.npy", np.zeros((3, 228, 304), np.uint8))
    with pytest.raises(ValueError, match=r"shape \(2, 228, 304\).*got \(3, 228, 304\)"):
        load_nyud2_dir(tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        lambda file: None,
        lambda file: file.write(b"version https://git-lfs.github.com/spec/v1\n"),
        lambda file: np.savez(file, mask=np.ones((2, 228, 304), dtype=bool)),
        lambda file: file.write(npy_bytes(np.ones((2, 228, 304), dtype=bool))[:5000]),
        lambda file: file.write(npy_bytes(np.array([{"a": 1}], dtype=object))),
    ],
    ids=["empty", "pointer", "npz", "truncated", "objects"],
)
def test_nyud2_mask_that_cannot_be_read_is_named(tmp_path, write):
    write_scenes(tmp_path, n_test=2)
    with open(tmp_path / "test_balanced_mask.npy", "wb") as file:
        write(file)
    with pytest.raises(ValueError, match=r"test_balanced_mask.npy must be an array"):
        load_nyud2_dir(tmp_path)


def npy_bytes(array):
    """What an array is in a file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("name", ["nyu2_train.csv", "nyu2_test.csv"])
def test_nyud2_missing_list_is_named(tmp_path, name):
    write_scenes(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing.*YyzHarry"):
        load_nyud2_dir(tmp_path)


@pytest.mark.parametrize("name", ["00001_colors.png", "00001_depth.png"])
def test_nyud2_missing_file_is_named(tmp_path, name):
    write_scenes(tmp_path)
    (tmp_path / "nyu2_test" / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"1 of 4 files are missing.*{name}"):
        load_nyud2_dir(tmp_path)
    assert load_nyud2_dir(tmp_path, check_files=False).test.data.size == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data/a.jpg\n", r"\['data/a.jpg'\] in row 1"),
        ("data/a.jpg,data/a.png\ndata/b.jpg,\n", r"\['data/b.jpg', ''\] in row 2"),
        ("", "none"),
    ],
)
def test_nyud2_list_that_holds_no_pairs_is_refused(tmp_path, text, found):
    write_scenes(tmp_path)
    (tmp_path / "nyu2_train.csv").write_text(text)
    with pytest.raises(ValueError, match=f"nyu2_train.csv must .* found {found}"):
        load_nyud2_dir(tmp_path)


def write_depth(path, pixels):
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    Image.fromarray(pixels).save(path)
    return path


def test_depth_maps_to_train_hold_ten_metres_in_eight_bits(tmp_path):
    pixels = np.full((480, 640), 255, dtype=np.uint8)
    pixels[:, :320] = 51
    path = write_depth(tmp_path / "depth.png", pixels)
    depth = read_depth_maps([path])
    assert depth.shape == (1, 114, 152)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[0, :, :76], 2.0, rtol=1e-6)
    np.testing.assert_allclose(depth[0, :, 76:], 10.0, rtol=1e-6)


def test_depth_maps_to_test_hold_millimetres_in_sixteen_bits(tmp_path):
    pixels = np.full((480, 640), 9876, dtype=np.uint16)
    path = write_depth(tmp_path / "depth.png", pixels)
    np.testing.assert_allclose(read_depth_maps([path]), 9.876, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_maps_are_nan_where_depth_is_missing_and_only_there(tmp_path, dtype):
    pixels = np.full((480, 640), 200, dtype=dtype)
    pixels[200:300, 300:400] = 0
    path = write_depth(tmp_path / "depth.png", pixels)
    missing = np.isnan(read_depth_maps([path], shape=(228, 304))[0])
    # The window begins at row 12 and column 16 of the file, and halves it.
    expected = np.zeros((228, 304), dtype=bool)
    expected[94:144, 142:192] = True
    np.testing.assert_array_equal(missing, expected)


@pytest.mark.parametrize("shape", [(114, 152), (228, 304), (57, 76)])
@pytest.mark.parametrize("size", [(480, 640), (240, 320), (600, 800)])
def test_depth_maps_are_cut_as_the_benchmark_cuts_them(tmp_path, size, shape):
    """Shorter side to 240, middle 304 x 228, then the shape: nearest pixels."""
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 10_000, size).astype(np.uint16)
    path = write_depth(tmp_path / "depth.png", pixels)
    height, width = size
    small = Image.open(path).resize((240 * width // height, 240), Image.NEAREST)
    left, upper = round((small.width - 304) / 2), 6
    window = small.crop((left, upper, left + 304, upper + 228))
    expected = np.asarray(window.resize(shape[::-1], Image.NEAREST)) / 1000
    np.testing.assert_allclose(read_depth_maps([path], shape)[0], expected, rtol=1e-6)


def test_depth_maps_take_one_path_or_none(tmp_path):
    path = write_depth(tmp_path / "depth.png", np.ones((480, 640), dtype=np.uint8))
    assert read_depth_maps(str(path)).shape == (1, 114, 152)
    assert read_depth_maps([]).shape == (0, 114, 152)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((480, 640, 3), "one channel.*mode 'RGB'"),
        ((480, 480), "landscape image.*got 480 x 480"),
        ((640, 480), "landscape image.*got 480 x 640"),
    ],
)
def test_depth_maps_refuse_other_images_by_name(tmp_path, size, message):
    path = write_depth(tmp_path / "depth.png", np.ones(size, dtype=np.uint8))
    with pytest.raises(ValueError, match=f"depth.png must be.*{message}"):
        read_depth_maps([path])


@pytest.mark.parametrize("n_bytes", [0, 20, 60, 300])
def test_depth_map_that_ends_early_is_named(tmp_path, n_bytes):
    pixels = np.random.default_rng(0).integers(0, 255, (480, 640)).astype(np.uint8)
    path = write_depth(tmp_path / "depth.png", pixels)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"depth.png must be a depth map, but cannot"):
        read_depth_maps([path])


def test_file_that_is_no_image_is_no_depth_map_and_a_missing_one_is_missing(tmp_path):
    pytest.importorskip("PIL.Image", reason="needs Pillow")
    path = tmp_path / "depth.png"
    with pytest.raises(FileNotFoundError, match=r"depth.png"):
        read_depth_maps([path])
    path.write_text("no image")
    with pytest.raises(ValueError, match=r"depth.png must be a depth map, but cannot"):
        read_depth_maps([path])


@pytest.mark.parametrize("shape", [(114,), (0, 152), 100, (100.0, 50.0)])
def test_depth_maps_refuse_a_shape_that_is_no_pair_of_sizes(shape):
    with pytest.raises(ValueError, match=r"shape must be \(height, width\)"):
        read_depth_maps([], shape)


def test_depth_maps_without_pillow_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"needs Pillow.*sk-hca\[vision\]"):
        read_depth_maps([])


@pytest.mark.parametrize("truth", ["ground-truth", "ground_truth"])
@pytest.mark.parametrize("part", ["A", "B"])
@pytest.mark.parametrize("suffix", ["", "_final"])
def test_shanghaitech_reads_points_in_every_layout(tmp_path, part, suffix, truth):
    counts = {1: 3, 2: 1, 10: 5}
    points = write_crowds(tmp_path, counts, f"part_{part}{suffix}", truth)
    crowds = load_shanghaitech(tmp_path, part)
    assert crowds.val is None
    assert f"part {part}" in crowds.DESCR
    for split in ("train", "test"):
        data, target = crowds[split].data, crowds[split].target
        assert_absolute_and_there(data)
        names = [os.path.basename(path) for path in data]
        assert names == ["IMG_1.jpg", "IMG_2.jpg", "IMG_10.jpg"]
        assert target.shape == (3,)
        for found, number in zip(target, counts, strict=True):
            assert found.dtype == np.float64
            np.testing.assert_array_equal(found, points[f"{split}_data", number])


def test_shanghaitech_image_without_heads_has_no_points(tmp_path):
    write_crowds(tmp_path, {1: 0, 2: 4})
    target = load_shanghaitech(tmp_path).train.target
    assert [points.shape for points in target] == [(0, 2), (4, 2)]


@pytest.mark.parametrize("part", ["C", "a", None])
def test_shanghaitech_wrong_part_is_named(tmp_path, part):
    with pytest.raises(ValueError, match=f"part must be 'A' or 'B'; got {part!r}"):
        load_shanghaitech(tmp_path, part)


@pytest.mark.parametrize(
    "missing", ["images/IMG_2.jpg", "ground-truth/GT_IMG_2.mat"], ids=["image", "mat"]
)
def test_shanghaitech_missing_file_is_named(tmp_path, missing):
    write_crowds(tmp_path, {1: 1, 2: 1})
    path = tmp_path / "part_A" / "test_data" / missing
    path.unlink()
    message = f"1 of 4 files are missing.*{re.escape(str(path))}.*ShanghaiTech"
    with pytest.raises(FileNotFoundError, match=message):
        load_shanghaitech(tmp_path)


def test_shanghaitech_missing_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder part_A or part_A_final"):
        load_shanghaitech(tmp_path)
    folder = tmp_path / "part_A" / "train_data"
    folder.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"folder images .*train_data"):
        load_shanghaitech(tmp_path)
    (folder / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="folder ground-truth or ground_truth"):
        load_shanghaitech(tmp_path)
    (folder / "ground_truth").mkdir()
    with pytest.raises(FileNotFoundError, match=r"IMG_1.jpg .*belong in .*images"):
        load_shanghaitech(tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no matrix" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b"MATLAB 7.3".ljust(124) + b"\x00\x02IM"),
        lambda path: path.write_bytes(broken_compression(path)),
        lambda path: savemat(path, {"points": np.ones((3, 2))}),
        lambda path: savemat(path, {"image_info": np.ones((3, 2))}),
    ],
    ids=[
        "empty",
        "other format",
        "truncated",
        "v7.3",
        "broken compression",
        "other name",
        "other structure",
    ],
)
def test_shanghaitech_file_without_points_is_named(tmp_path, write):
    write_crowds(tmp_path, {1: 1})
    write(tmp_path / "part_A" / "train_data" / "ground-truth" / "GT_IMG_1.mat")
    with pytest.raises(ValueError, match=r"GT_IMG_1.mat must be a MATLAB file"):
        load_shanghaitech(tmp_path)


def broken_compression(path):
    """A compressed file of MATLAB whose stream starts wrong."""
    savemat(path, {"image_info": np.ones((3, 2))}, do_compression=True)
    whole = path.read_bytes()
    return whole[:136] + bytes(4) + whole[140:]


def test_shanghaitech_points_of_another_shape_are_refused(tmp_path):
    write_crowds(tmp_path, {1: 1})
    info = np.empty((1, 1), dtype=object)
    info[0, 0] = {"location": np.ones((4, 3)), "number": 4}
    path = tmp_path / "part_A" / "train_data" / "ground-truth" / "GT_IMG_1.mat"
    savemat(path, {"image_info": info})
    with pytest.raises(ValueError, match=r"GT_IMG_1.mat must hold.*got \(4, 3\)"):
        load_shanghaitech(tmp_path)


@pytest.mark.parametrize(
    ("load", "facts"),
    [
        (load_nyud2_dir, ["50688", "NYUD2-DIR", "no published validation"]),
        (load_shanghaitech, ["part A", "300", "no published validation"]),
    ],
)
def test_scene_descriptions_name_sizes_and_splits(tmp_path, load, facts):
    write_scenes(tmp_path)
    write_crowds(tmp_path, {1: 1})
    description = " ".join(load(tmp_path).DESCR.split())
    assert [fact for fact in facts if fact not in description] == []
