"""Images in files: what is read, when, and how files that are no good are told."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing
from torch.utils.data import DataLoader, Subset

from sk_hca.datasets import ImageFiles, read_image_table

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
pd = pytest.importorskip("pandas", reason="needs pandas")


@pytest.fixture
def pictures():
    """Five images of bytes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(5, 6, 9, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, pictures):
    """A folder that holds them as 0.png, 1.png, ..."""
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    return tmp_path


NAMES = [f"{i}.png" for i in range(5)]


def images_in(folder, names=NAMES, **params):
    """Images of a folder, unread."""
    return ImageFiles(root=folder, **params).fit_transform(names)


# ------------------------------------------------------------------------- what is read


def test_images_are_the_bytes_in_the_files(folder, pictures):
    images = images_in(folder)
    assert images.shape == (5, 6, 9, 3)
    assert len(images) == 5
    assert images[3].dtype == np.uint8
    np.testing.assert_array_equal(images[3], pictures[3])
    np.testing.assert_array_equal(np.stack(list(images)), pictures)
    np.testing.assert_array_equal(images.__getitems__([4, 1]), pictures[[4, 1]])


def test_grey_images_have_no_axis_of_channels(folder, pictures):
    images = images_in(folder, mode="L")
    expected = np.array(Image.fromarray(pictures[2]).convert("L"))
    assert images.shape == (5, 6, 9)
    np.testing.assert_array_equal(images[2], expected)


@pytest.mark.parametrize("stored", ["L", "P", "RGBA", "CMYK", "1"])
def test_images_stored_in_another_way_become_colour(folder, pictures, stored):
    made = Image.fromarray(pictures[0]).convert(stored)
    made.save(folder / "other.tif")
    image = images_in(folder, ["other.tif"])[0]
    np.testing.assert_array_equal(image, np.array(made.convert("RGB")))


def test_size_is_height_and_width(folder):
    images = images_in(folder, size=[3, 4])
    assert images.shape == (5, 3, 4, 3)
    assert images[0].shape == (3, 4, 3)


def test_smaller_images_do_not_alias(tmp_path):
    """A board of black and white dots is grey from afar."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    image = images_in(tmp_path, ["board.png"], mode="L", size=(8, 8))[0]
    assert np.abs(image.astype(int) - 127).max() <= 4


def test_images_are_read_when_they_are_needed(folder, pictures):
    images = images_in(folder)
    Image.fromarray(255 - pictures[1]).save(folder / "1.png")
    np.testing.assert_array_equal(images[1], 255 - pictures[1])


def test_part_of_the_images_is_not_read(folder, pictures):
    images = images_in(folder)
    for name in NAMES:
        (folder / name).rename(folder / f"{name}.away")
    for part in (slice(1, 4), [1, 3], np.array([4, 0]), np.arange(5) < 2):
        assert images[part].shape == pictures[part].shape
        assert _safe_indexing(images, part).shape == pictures[part].shape
    with pytest.raises(OSError, match=r"1\.png' cannot be read: .*No such file"):
        images[1:][0]


def test_torch_loads_the_images(folder, pictures):
    loader = DataLoader(images_in(folder), batch_size=5)
    (batch,) = loader
    np.testing.assert_array_equal(batch.numpy(), pictures)


@pytest.mark.parametrize("index", [np.array(3), torch.tensor(3), np.int64(3)], ids=repr)
def test_index_without_axes_reads_one_image(folder, pictures, index):
    np.testing.assert_array_equal(images_in(folder)[index], pictures[3])


def test_torch_loads_a_subset_by_a_tensor_of_positions(folder, pictures):
    part = Subset(images_in(folder), torch.tensor([4, 0]))
    (batch,) = DataLoader(part, batch_size=2)
    np.testing.assert_array_equal(batch.numpy(), pictures[[4, 0]])


# ------------------------------------------------------------------- how paths may come


@pytest.mark.parametrize(
    "give",
    [
        list,
        np.array,
        pd.Series,
        lambda names: np.array(names, dtype=object)[:, None],
        lambda names: [Path(name) for name in names],
        lambda names: pd.DataFrame({"file": names}),
        lambda names: pd.Series(names, index=range(7, 12), name="file"),
    ],
    ids=["list", "array", "series", "column", "paths", "frame", "named series"],
)
def test_paths_come_in_any_column(folder, pictures, give):
    files = ImageFiles(root=folder)
    paths = give(NAMES)
    images = files.fit(paths).transform(paths)
    np.testing.assert_array_equal(np.stack(list(images)), pictures)
    assert files.n_features_in_ == 1


def test_column_of_a_frame_is_named(folder, pictures):
    frame = pd.DataFrame({"age": range(5), "file": NAMES})
    files = ImageFiles(root=str(folder), column="file").fit(frame)
    np.testing.assert_array_equal(files.transform(frame)[4], pictures[4])
    np.testing.assert_array_equal(files.transform(frame[["file"]])[4], pictures[4])
    assert list(files.feature_names_in_) == ["file"]
    for column in (None, "image"):
        with pytest.raises(ValueError, match=r"one of \['age', 'file'\]; got"):
            ImageFiles(column=column).fit(frame)


def test_paths_without_a_root_are_those_of_the_folder_of_work(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert ImageFiles().fit_transform(NAMES).shape == (5, 6, 9, 3)


def test_transformer_is_cloned_and_pickled(folder, pictures):
    files = ImageFiles((6, 9), mode="RGB", root=folder)
    again = pickle.loads(pickle.dumps(clone(files).fit(NAMES)))
    assert again.get_params() == files.get_params()
    images = pickle.loads(pickle.dumps(again.transform(NAMES)))
    np.testing.assert_array_equal(images[2], pictures[2])


def test_transformer_needs_a_fit(folder):
    with pytest.raises(NotFittedError):
        ImageFiles(root=folder).transform(NAMES)


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("0.png", ValueError, r"one path per image, .*; got shape \(\)"),
        ([["0.png", "1.png"]], ValueError, r"got shape \(1, 2\)"),
        ([], ValueError, "one path at least; got none"),
        (["0.png", None], TypeError, "got None at position 1"),
        (pd.DataFrame({"file": ["0.png", np.nan]}), TypeError, "got nan at position 1"),
        ([0.5, 1.5], TypeError, r"got .*0\.5\)? at position 0"),
    ],
    ids=["one path", "two columns", "none", "missing", "missing in frame", "numbers"],
)
def test_what_is_no_column_of_paths_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        ImageFiles().fit(X)


@pytest.mark.parametrize("size", [(8,), (8, 8, 3), (8, 0), (8.0, 8)], ids=str)
def test_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="two positive integers; got"):
        ImageFiles(size).fit(NAMES)


@pytest.mark.parametrize("params", [{"mode": "HSV"}, {"size": 8}], ids=str)
def test_parameters_are_checked_in_fit(params):
    with pytest.raises(ValueError, match=f"The {next(iter(params))!r} parameter"):
        ImageFiles(**params).fit(NAMES)


def test_images_of_unequal_size_are_told_at_once(folder):
    Image.new("RGB", (4, 8)).save(folder / "odd.png")
    names = [*NAMES[:2], "odd.png", *NAMES[2:]]
    message = r"0\.png' is of size \(6, 9\) and .*odd\.png' of \(8, 4\)\. Give size="
    with pytest.raises(ValueError, match=message):
        images_in(folder, names)
    assert images_in(folder, names, size=(6, 9)).shape == (6, 6, 9, 3)


def spoil(folder):
    """A missing file, one that is no image, one that ends early, one of 16 bits."""
    (folder / "text.png").write_text("no image")
    whole = (folder / "0.png").read_bytes()
    (folder / "short.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((6, 9), 1000, dtype=np.uint16)).save(folder / "deep.png")
    return ["nowhere.png", "text.png", "deep.png", "short.png"]


@pytest.mark.parametrize("size", [None, (3, 3)])
def test_file_that_cannot_be_read_is_named_at_once(folder, size):
    missing, text, deep, short = spoil(folder)
    for name, reason in [
        (missing, "No such file"),
        (text, "cannot identify image file"),
        (deep, "more than 8 bits"),
    ]:
        message = rf"image '.*{name}' cannot be read: .*{reason}.* unreadable='skip'"
        with pytest.raises(OSError, match=message):
            images_in(folder, ["0.png", name], size=size)
    images = images_in(folder, ["0.png", short], size=size)
    with pytest.raises(OSError, match=rf"{short}' cannot be read: .*truncated"):
        images[1]


def test_pillow_that_is_not_there_is_asked_for(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        images_in(folder)


# ------------------------------------------------------------------------------- tables


def as_csv(table, folder):
    """Write a table into a file, and return its path."""
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


@pytest.mark.parametrize(
    "give",
    [lambda table, folder: table, lambda table, folder: pd.DataFrame(table), as_csv],
    ids=["dict", "frame", "csv"],
)
def test_table_is_read_into_paths_and_targets(folder, pictures, give):
    table = give({"file": NAMES, "age": [3, 1, 4, 1.5, 9]}, folder)
    paths, y = read_image_table(table, "file", "age", root=folder)
    np.testing.assert_array_equal(y, [3, 1, 4, 1.5, 9])
    images = ImageFiles().fit_transform(paths)
    np.testing.assert_array_equal(np.stack(list(images)), pictures)


def test_files_that_cannot_be_read_are_left_out_and_counted(folder):
    names = [*spoil(folder), *NAMES]
    table = {"file": names, "age": range(9)}
    message = r"^4 of 9 images cannot .*nowhere\.png', .*deep\.png' and 1 more\.$"
    with pytest.warns(UserWarning, match=message) as record:
        paths, y = read_image_table(
            table, "file", "age", root=folder, unreadable="skip"
        )
    assert record[0].filename == __file__
    assert [Path(path).name for path in paths] == NAMES
    np.testing.assert_array_equal(y, range(4, 9))
    for name in names[:4]:
        table = {"file": ["0.png", name], "age": [1, 2]}
        with pytest.raises(OSError, match=f"{name}' cannot be read"):
            read_image_table(table, "file", "age", root=folder)


def short_csv(folder):
    """A table whose second row ends before the path."""
    (folder / "table.csv").write_text("age,file\n1,0.png\n2\n3,1.png\n")
    return folder / "table.csv"


@pytest.mark.parametrize(
    ("give", "found"),
    [
        (lambda folder: {"file": ["0.png", None, "1.png"], "age": [1, 2, 3]}, "None"),
        (lambda folder: {"file": ["0.png", "", "1.png"], "age": [1, 2, 3]}, "''"),
        (
            lambda folder: pd.DataFrame(
                {"file": ["0.png", np.nan, "1.png"], "age": [1, 2, 3]}, dtype=object
            ),
            "nan",
        ),
        (
            lambda folder: pd.DataFrame(
                {
                    "file": pd.array(["0.png", None, "1.png"], dtype="string"),
                    "age": [1, 2, 3],
                }
            ),
            "<NA>",
        ),
        (short_csv, "None"),
    ],
    ids=["None", "empty", "NaN", "NA", "short row"],
)
def test_row_without_a_path_counts_as_unreadable(folder, give, found):
    table = give(folder)
    with pytest.warns(UserWarning, match="^1 of 3 images cannot be read"):
        paths, y = read_image_table(
            table, "file", "age", root=folder, unreadable="skip"
        )
    assert [Path(path).name for path in paths] == ["0.png", "1.png"]
    np.testing.assert_array_equal(y, [1, 3])
    message = f"'file' must hold a path in every row; got {found} at position 1"
    with pytest.raises(OSError, match=message):
        read_image_table(table, "file", "age", root=folder)


def test_columns_that_are_not_named_by_texts_are_told():
    with pytest.raises(ValueError, match="the columns path, y; found 0, 1"):
        read_image_table(pd.DataFrame([["a.png", 1]]), "path", "y")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"file": NAMES}, "must have the columns file, age; found file"),
        ({"file": NAMES, "age": [1, 2, 3, 4, "old"]}, "'age' must hold numbers: .*old"),
        ({"file": NAMES, "age": [1, 2, 3, 4, np.nan]}, "'age' must be finite"),
        ({"file": NAMES, "age": [1, 2, 3]}, "inconsistent numbers of samples"),
        ({"file": ["a", "b"], "age": [1, 2]}, "No image of the table .*Check root"),
        ({"file": [], "age": []}, "one path at least"),
    ],
    ids=["column", "words", "missing", "lengths", "nothing left", "empty"],
)
def test_table_that_cannot_be_used_is_refused(folder, table, message):
    with pytest.raises(ValueError, match=message):
        read_image_table(table, "file", "age", root=folder, unreadable="skip")
