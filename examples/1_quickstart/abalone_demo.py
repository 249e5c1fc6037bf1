"""
=======================================================
Coarse classifiers help where the fine one is starved
=======================================================

Abalones are aged by the rings of their shell.  Most have 7 to 12; the old ones, with 20
or more, are a handful.  One training of hierarchical classifiers on this real table is
read in four ways: by the fine classifier alone, and adjusted by the coarse ones.  The
adjusted answers err less in the rare range, and no more over all samples.
"""

# %%
# A table with a long tail
# ------------------------
# A fixed split: four fifths to learn from, one fifth to test on.
import sys
from time import perf_counter

import torch
from sklearn.model_selection import train_test_split

from sk_hca.datasets import load_abalone

torch.set_num_threads(1)  # small networks train fastest with one thread
started = perf_counter()
X, y = load_abalone(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

# %%
# One training, four ways to read it
# ----------------------------------
# The recipe of the paper: hard labels, free logits, the most likely class answers.
# The modes "add" and "mul" cost nothing; "distill" trains one small head more.
from sk_hca import HCARegressor

paper = HCARegressor(
    mode="none",
    binner="linear",
    n_levels=4,
    labels="one_hot",
    anchor=None,
    decoder="argmax",
    max_epochs=50,
    random_state=0,
).fit(X_train, y_train)
models = {
    "CLS (mode none)": paper,
    "HCA-add": paper.readjust("add"),
    "HCA-mul": paper.readjust("mul"),
    "HCA-d (distill)": paper.readjust("distill", X_train, y_train),
}

# %%
# What it is up against
# ---------------------
# The same backbone as a plain regression, boosted trees, and our defaults: soft labels,
# logits that lean on a location, and coarse levels that vote where the finest is
# unsure.
from sklearn.ensemble import HistGradientBoostingRegressor

from sk_hca import DirectRegressor

models |= {
    "L1 network": DirectRegressor(loss="absolute", random_state=0),
    "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
    "HCARegressor()": HCARegressor(random_state=0),
}
for name in ("L1 network", "HistGradientBoosting", "HCARegressor()"):
    models[name].fit(X_train, y_train)

# %%
# Errors by shot
# --------------
# Ring counts with more than 100 training samples are many-shot, those with fewer than
# 20 few-shot.  bMAE averages the error of every ring count alike.
from sk_hca.metrics import shot_report

predictions = {name: model.predict(X_test) for name, model in models.items()}
for name, y_pred in predictions.items():
    print(f"\n{name}\n{shot_report(y_test, y_pred, y_train)}")

# %%
# Side by side
# ------------
columns = ("MAE all", "many", "medium", "few", "bMAE all", "few")
print(f"\n{'':22}" + "".join(f"{column:>10}" for column in columns))
for name, y_pred in predictions.items():
    report = shot_report(y_test, y_pred, y_train)
    errors = [report[row, "mae"] for row in ("all", "many", "medium", "few")]
    balanced = [report[row, "bmae"] for row in ("all", "few")]
    print(f"{name:22}" + "".join(f"{error:10.3f}" for error in errors + balanced))

# %%
# Error along the target line
# ---------------------------
# Below, the training samples of every ring count: where they end, the errors begin.
import matplotlib as mpl

mpl.use("Agg")
from sk_hca.plotting import ShotErrorDisplay

shown = ("CLS (mode none)", "HCA-add", "HistGradientBoosting", "HCARegressor()")
display = ShotErrorDisplay.from_predictions(
    y_test, {name: predictions[name] for name in shown}, y_train
)
picture = sys.argv[1] if len(sys.argv) > 1 else "demo.png"
display.figure_.savefig(picture, dpi=150, bbox_inches="tight")
print(f"\nSaved {picture}; all of it took {perf_counter() - started:.0f} seconds.")
