# make           set up, write the data, execute the notebooks, print the scoreboard
# make test      set up, run all tests
# make test-03   the notebooks of one folder and the tests about it; any number that a folder has
# make lab       set up, open JupyterLab
# make bench     set up, time the generator, the notebooks, and each fast form against the plain loop it replaces
# make test-spark   run the SQL queries on Apache Spark, too (an environment of its own; needs Java 17)
# make test-hosted  open the tutorials alone under what Colab ships, run the lines that they say, compare what they show
# make lite      build the site on which the notebooks run in a browser, in .lite/site
# make test-lite    run the tutorials on it, in a headless Chromium
# make test-32bit   run the tutorials under a Python that has 32 bits, as the one in a browser
# make test-long    all tests, with many more random logs, broken files and kills (an hour or more)
# make bench-scale  time the queries on up to a billion rows (half an hour, 1 GB of disk): data/scale.csv, data/scale.png
# make check     set up, say whether this machine can run the series
# make sync      bring notebooks and mirrors (.ipynb and .py) in line: the one that was changed stays, the other follows
# make test-learners   the workshop kit, each of its learner notebooks executed
# make workshop   write workshop/ and workshop.zip: learner notebooks, solutions, slides, hand-outs (see WORKSHOP.md)
# make clean     remove all that make has made
# make test-oldest, make test-newest    the tests on the oldest and the newest supported versions
#
# make PYTHON=/path/to/python3    the same with this Python

ifeq ($(OS),Windows_NT)
BIN := Scripts
else
BIN := bin
endif
PY := .venv/$(BIN)/python
READY := .venv/ready
IS_PYTHON = -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
FIND_PYTHON := python=; for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$p $(IS_PYTHON); then python=$$p; break; fi; done; \
	if [ -z "$$python" ]; then echo "set-up: no Python 3.11 or newer found. Install one (https://www.python.org/downloads/)," \
	"or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; fi
ifneq ($(PYTHON),)
# Asked for by name: this one or none, whether or not there is a virtual environment already.
ifneq ($(shell "$(PYTHON)" $(IS_PYTHON) && echo yes),yes)
$(error set-up: PYTHON=$(PYTHON) is not a Python 3.11 or newer)
endif
FIND_PYTHON := python="$(PYTHON)"
endif
MAKE_VENV = "$$python" -m venv --clear $(1) || { rm -rf $(1); echo "set-up: $$python has no working venv module." \
	"On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
NO_INSTALL = { echo "set-up: pip could not install the requirements (its reason stands above)." \
	"Is the network up? Then run make again." >&2; exit 1; }

.PHONY: all test lab bench check sync workshop clean test-oldest test-newest test-spark test-hosted bench-scale lite \
	test-lite test-32bit test-long test-learners
all: $(READY)
	@$(PY) run.py

test: $(READY)
	@$(PY) -m pytest

test-%: $(READY)
	@$(PY) -m pytest --folder $*

test-learners: $(READY)
	@$(PY) -m pytest tests/test_workshop_kit.py --learners

lab: $(READY)
	@$(PY) -m jupyterlab

bench: $(READY)
	@$(PY) tests/bench.py

bench-scale: $(READY)
	@$(PY) tests/bench_scale.py

check: $(READY)
	@$(PY) tests/check_environment.py

sync: $(READY)
	@$(PY) run.py --sync

workshop: $(READY)
	@$(PY) workshop.py

clean:
	rm -rf .venv .venv-oldest .venv-newest .venv-spark .venv-hosted .venv-lite .venv-32bit .results .lite .pytest_cache
	rm -rf .ruff_cache workshop workshop.zip data/synthetic_llm_logs.csv data/logs_100m.parquet data/scale.csv data/scale.png
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment, made anew only when it is missing, what it should hold has changed, or its Python does not run
# any more (it was removed or upgraded, or the folder moved) or is not the one that was asked for.
WHICH = -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null
ifneq ($(wildcard $(READY)),)
RUNS := $(shell $(PY) $(WHICH))
ifneq ($(if $(PYTHON),$(shell "$(PYTHON)" $(WHICH)),$(RUNS)),$(or $(RUNS),none))
.PHONY: $(READY)
endif
endif
$(READY): requirements.txt constraints.txt
	@$(FIND_PYTHON); \
	echo "Setting up .venv with $$("$$python" --version) (once; about a minute)"; \
	$(call MAKE_VENV,.venv)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt || $(NO_INSTALL)
	@touch $@

# Java is looked for first: PySpark is a download of 450 MB.
.venv-spark/ready: requirements-spark.txt constraints.txt
	@$(FIND_PYTHON); "$$python" tests/on_spark.py --check || exit 1; \
	echo "Setting up .venv-spark (once; about a minute)"; $(call MAKE_VENV,.venv-spark)
	@.venv-spark/$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-spark.txt -c constraints.txt || $(NO_INSTALL)
	@touch $@

test-spark: .venv-spark/ready $(READY)
	@mkdir -p .results
	@$(PY) tests/warehouse.py .results/queries.json
	@.venv-spark/$(BIN)/python tests/on_spark.py .results/queries.json

.venv-hosted/ready: requirements-hosted.txt
	@$(FIND_PYTHON); echo "Setting up .venv-hosted (once; about a minute)"; $(call MAKE_VENV,.venv-hosted)
	@.venv-hosted/$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-hosted.txt || $(NO_INSTALL)
	@touch $@

test-hosted: .venv-hosted/ready
	@.venv-hosted/$(BIN)/python tests/on_hosted.py

.venv-lite/ready: requirements-lite.txt constraints.txt
	@$(FIND_PYTHON); echo "Setting up .venv-lite (once; about a minute)"; $(call MAKE_VENV,.venv-lite)
	@.venv-lite/$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-lite.txt || $(NO_INSTALL)
	@touch $@

DATA := data/synthetic_llm_logs.csv
$(DATA): | $(READY)
	@$(PY) data/generate_data.py

lite: .venv-lite/ready $(DATA)
	@.venv-lite/$(BIN)/python lite.py

test-lite: .venv-lite/ready
	@.venv-lite/$(BIN)/python tests/on_lite.py

.venv-32bit/ready: requirements-32bit.txt constraints.txt
	@$(FIND_PYTHON); echo "Setting up .venv-32bit (once; about a minute)"; $(call MAKE_VENV,.venv-32bit)
	@.venv-32bit/$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-r requirements-32bit.txt || $(NO_INSTALL)
	@.venv-32bit/$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		--target .venv-32bit/pure rdrobust rddensity lpdensity pysyncon plotnine mizani || $(NO_INSTALL)
	@touch $@

test-32bit: .venv-32bit/ready $(DATA)
	@.venv-32bit/$(BIN)/python tests/on_32bit.py

test-long: $(READY)
	@LONG=1 $(PY) -m pytest

# Never the reader's .venv: these take the ends of the ranges in pyproject.toml.
test-oldest test-newest: test-%:
	@$(FIND_PYTHON); $(call MAKE_VENV,.venv-$*)
	@.venv-$*/$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || $(NO_INSTALL)
	@.venv-$*/$(BIN)/python -m uv pip install --quiet --python .venv-$*/$(BIN)/python -r pyproject.toml \
		--resolution $(if $(filter oldest,$*),lowest-direct,highest) || $(NO_INSTALL)
	$(if $(filter oldest,$*),@.venv-oldest/$(BIN)/python -m uv pip install --quiet --python .venv-oldest/$(BIN)/python \
		--no-deps "matplotlib==3.8.*" || $(NO_INSTALL)) # rdrobust asks for 3.9 and uses it only in plots that we do not draw
	@.venv-$*/$(BIN)/python -m pytest
