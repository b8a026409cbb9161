# The commands of Image Intellisense; `make` alone lists them. Works with GNU make 3.81 (macOS).
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# Compiled as pip does it: where Python may not write, every process would do that anew.
INSTALL = { $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python \
	--require-hashes -r $< 2>/dev/null || $(PIP) -r $<; } >&2
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-find-links \
	--python-version 3.11 --custom-compile-command 'make lock'
# What only chalice's command line and tokenizers' client of the hub want stays out of the images.
IDLE := pip setuptools wheel click colorama inquirer ansicon blessed editor jinxed readchar \
	runs wcwidth xmod huggingface-hub hf-xet httpx2 httpx2-jsfetch httpcore2 h11 anyio truststore \
	filelock fsspec
LEAN := $(addprefix --no-emit-package=,$(IDLE))

.PHONY: help demo model opensearch deploy destroy diff preflight outputs test needs parts nightly stalls check fmt golden lock clean bench bench-container bench-ingest bench-reconcile bench-index bench-clip bench-quality bench-ocr fuzz

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1: \2/'

demo: $(VENV)/demo.done  ## the whole product on this machine; ARGS='--photos DIR', ARGS='--once "a cat" --json'
	@exec $(BIN)/python -m local $(ARGS)

MODEL ?= Xenova/clip-vit-base-patch32
model: $(VENV)/demo.done  ## download a model; MODEL=OWNER/NAME, ARGS='--form int8'; `python -m models list` names some
	@exec $(BIN)/python -m models fetch $(MODEL) $(ARGS)

opensearch: $(VENV)/demo.done  ## a real OpenSearch beside the demo; ARGS='--port N', ARGS='--data DIR', ARGS='--heap 2g'
	@exec $(BIN)/python -m local.opensearch $(ARGS)

CONFIG ?= $(wildcard deploy.toml)
INFRA = exec $(BIN)/python -m infra $@ $(if $(CONFIG),--config $(CONFIG)) $(ARGS)
deploy: $(VENV)/infra.done  ## into your AWS account, after asking; CONFIG=deploy.toml, ARGS='--yes --json'
	@$(INFRA)

destroy: $(VENV)/infra.done  ## what runs in AWS; photos and index stay; ARGS='--index-too', ARGS='--photos-too'
	@$(INFRA)

diff: $(VENV)/infra.done  ## what `make deploy` would change
	@$(INFRA)

preflight: $(VENV)/infra.done  ## what the AWS account lacks, and how to get it
	@$(INFRA)

outputs: $(VENV)/infra.done  ## addresses and names of what is deployed
	@$(INFRA)

NEEDS := .cache/api-zip.done .cache/cdk.done .cache/sam/done .cache/wheelhouse/done .cache/targets.done
test: $(VENV)/dev.done  ## every test; ARGS are pytest's
	@$(MAKE) -j 4 needs
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

needs: $(NEEDS) parts
parts: $(VENV)/dev.done
	@$(BIN)/python -m tests.needs

nightly: $(VENV)/dev.done  ## 10,000 histories of bucket, queue and workers on each index of one machine: about an hour
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n 2 --dist loadgroup tests/unit/test_order_machine.py tests/unit/test_interleavings.py $(ARGS)

stalls: $(VENV)/dev.done  ## tests while their processes stall; ARGS='tests/e2e/test_page.py'
	@$(BIN)/python -m tests.stalls $(ARGS)

check: $(VENV)/dev.done  ## ruff, mypy, import direction: seconds
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit/test_import_direction.py

fmt: $(VENV)/dev.done  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: bench-ingest  ## every figure the README quotes that has no command of its own
	@PYTHONPATH=. $(BIN)/python bench/index_embedded.py --n 10000 100000 250000

bench-ingest: $(VENV)/dev.done  ## the one-machine stack beside the bare encoder; ARGS='--small 200 --model DIR'
	@$(BIN)/python -m bench.ingest $(ARGS)

bench-reconcile: $(VENV)/dev.done  ## a million keys compared, 500 photos embedded; ARGS='--keys 100000 --rounds 1'
	@$(BIN)/python -m bench.reconcile $(ARGS)

bench-ocr: $(VENV)/dev.done  ## the text in pictures: time, memory, what is found; PHOTOS=DIR, ARGS='--megapixels 12'
	@$(BIN)/python -m bench.ocr $(PHOTOS) $(ARGS)

bench-container: $(VENV)/dev.done .cache/wheelhouse/done  ## the function's image: size, first answer, memory
	@$(BIN)/python -m bench.container $(ARGS)

N ?= 100000
bench-index: $(VENV)/dev.done  ## OpenSearch beside the embedded index: speed, recall, size; N=1000000
	@PYTHONPATH=. $(BIN)/python bench/index_opensearch.py --n $(N)

bench-clip: $(VENV)/dev.done .cache/bench/venv/done $(if $(TORCH),.cache/bench/venv-torch/done)  ## ours beside fastembed; TORCH=1 adds transformers; ARGS='--quick'
	@$(BIN)/python -m bench.clip $(if $(TORCH),--torch) $(ARGS)

bench-quality: $(VENV)/dev.done  ## what a model finds of labelled photos, and what it answers wrongly; MODEL='A B', PHOTOS=DIR, ARGS='--words FILE'
	@$(BIN)/python -m bench.quality $(if $(filter file,$(origin MODEL)),,$(addprefix --model ,$(MODEL))) $(if $(PHOTOS),--photos $(PHOTOS)) $(ARGS)

golden: .cache/golden.done  ## record anew what transformers and open_clip make of small models (torch: 3 GB, once)
	@PYTHONPATH=. .cache/golden/bin/python -m tests.golden.record

SECONDS ?= 600
fuzz: .cache/fuzz/venv/done  ## ever new damaged files for images.py (atheris: Linux, Python 3.11 to 3.13); SECONDS=60, ARGS='FILE' tries one
	@PYTHONPATH=. $(<D)/bin/python -m tests.hostile.fuzz_images $(SECONDS) $(ARGS)

lock: $(VENV)/dev.done  ## pin the packages of every environment anew, with hashes
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) -c requirements-dev.txt local/requirements.in -o local/requirements.txt
	@$(COMPILE) -c requirements-dev.txt infra/requirements.in -o infra/requirements.txt
	@$(COMPILE) $(LEAN) -c requirements-dev.txt container_embedder/requirements.in -o container_embedder/requirements.txt
	@$(COMPILE) $(LEAN) -c requirements-dev.txt container_embedder/requirements-batch.in -o container_embedder/requirements-batch.txt
	@$(COMPILE) $(LEAN) -c requirements-dev.txt container_embedder/requirements-gpu.in -o container_embedder/requirements-gpu.txt
	@$(COMPILE) -c requirements-dev.txt requirements.in -o requirements.txt
	@$(COMPILE) -c requirements-dev.txt tests/golden/requirements.in -o tests/golden/requirements.txt
	@$(COMPILE) -c requirements-dev.txt tests/hostile/requirements.in -o tests/hostile/requirements.txt
	@$(COMPILE) tests/infra/requirements.in -o tests/infra/requirements.txt
	@$(COMPILE) bench/requirements.in -o bench/requirements.txt
	@$(COMPILE) bench/requirements-torch.in -o bench/requirements-torch.txt

clean:  ## remove what make made, fetched models too; photos and index in .local stay
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
		echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV) >&2 || { rm -rf $(VENV); \
		echo "The venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# uv is quicker than pip. Where it has no wheel or no way to the index, pip does it.
$(VENV)/uv.done: | $(BIN)/python
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt > $(VENV)/uv.txt
	@$(PIP) --only-binary :all: -r $(VENV)/uv.txt >/dev/null 2>&1 || true
	@touch $@

$(VENV)/demo.done: local/requirements.txt | $(VENV)/uv.done
	@echo "Installing what the demo needs (once, about 250 MB) …" >&2
	@$(INSTALL)
	@touch $@

$(VENV)/dev.done: requirements-dev.txt | $(VENV)/uv.done
	@echo "Installing what the tests need (once) …" >&2
	@$(INSTALL)
	@touch $@ $(VENV)/demo.done $(VENV)/infra.done

$(VENV)/infra.done: infra/requirements.txt | $(VENV)/uv.done
	@echo "Installing what deploying needs (once, about 800 MB) …" >&2
	@$(INSTALL)
	@touch $@

.cache/golden.done: tests/golden/requirements.txt | $(VENV)/dev.done
	@mkdir -p .cache && rm -rf .cache/golden && $(BIN)/python -m venv .cache/golden
	@$(BIN)/uv pip install --quiet --python .cache/golden/bin/python --require-hashes -r $< >&2
	@touch $@

.cache/api-zip.done: requirements.txt | $(VENV)/dev.done
	@mkdir -p .cache && rm -rf .cache/api-zip
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --target .cache/api-zip -r requirements.txt >&2
	@touch $@

.cache/sam/done: tests/infra/requirements.txt | $(VENV)/dev.done
	@rm -rf $(@D) && $(BIN)/uv venv --quiet --python $(BIN)/python $(@D) >&2
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $< >&2
	@touch $@

# What the images hold, for the tests that perform their Dockerfiles' steps.
.cache/wheelhouse/done: container_embedder/requirements-batch.txt | $(VENV)/dev.done
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
		--only-binary :all: --dest $(@D) -r $< >&2
	@touch $@

# Every lock has wheels for the Python and the machines that it is deployed to, which may be no
# newer than Amazon Linux 2023 with its glibc 2.34.
LOCKS := requirements.txt $(addprefix container_embedder/requirements,.txt -batch.txt -gpu.txt)
.cache/targets.done: $(LOCKS) | $(VENV)/dev.done
	@for lock in $(LOCKS); do for machine in x86_64 aarch64; do \
		$(BIN)/uv pip install --quiet --dry-run --require-hashes --no-deps --only-binary :all: \
			--python-version 3.13 --python-platform $$machine-manylinux_2_34 --target .cache/none \
			-r $$lock >&2 || { echo "$$lock lacks wheels for $$machine." >&2; exit 1; }; \
	done; done
	@rm -rf .cache/none && mkdir -p .cache && touch $@

.cache/cdk.done: infra/package-lock.json | $(VENV)/dev.done
	@$(BIN)/python -c 'from infra.commands.cdk import installed; installed()'
	@touch $@

.cache/fuzz/venv/done: tests/hostile/requirements.txt | $(VENV)/dev.done
	@echo "Installing what is fuzzed and with what (once) …" >&2
	@rm -rf $(@D) && $(BIN)/uv venv --quiet --python $(BIN)/python $(@D) >&2
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $< >&2
	@touch $@

.cache/bench/venv/done: bench/requirements.txt | $(VENV)/dev.done
.cache/bench/venv-torch/done: bench/requirements-torch.txt | $(VENV)/dev.done
.cache/bench/venv/done .cache/bench/venv-torch/done:
	@echo "Installing what is measured beside ours (once) …" >&2
	@rm -rf $(@D) && $(BIN)/uv venv --quiet --python $(BIN)/python $(@D) >&2
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $< >&2
	@touch $@
