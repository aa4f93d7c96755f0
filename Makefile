# Everything starts from Debian 12 with python3, pip and make; nothing is installed outside .venv.
#   make demo   a tracked patient and its report        make check  lint, types, import contracts
#   make test   all checks and tests                    make lock   renew locks/ after pyproject.toml
#   make safety the safety case: every requirement has its tests, and they pass
#   make coverage  the tests again, slower, and which lines they reach
#   make docs   the documentation site                  make docs-serve  the same while you write
#   make release VERSION=0.2.0  build it, try it in an empty environment; CUT=yes commits and tags
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The venv is made without a pip of its own, since Debian keeps the one for venvs in a package
# of its own (python3-venv); the pip of PYTHON installs into it.
PIP     = $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check
INSTALL = $(PIP) install --quiet --require-hashes --no-build-isolation --use-pep517
LOCK    = $(BIN)/pip-compile --quiet --no-header --generate-hashes --allow-unsafe --no-strip-extras

.PHONY: demo test shared realtime coverage check safety lock docs docs-serve release clean
.DEFAULT_GOAL := demo

demo: $(VENV)/runtime.stamp
	$(BIN)/tidetrack demo

# Both parts have two workers: with more, rooms of real-time tests starve each other. Real-time
# tests of one file share a worker, and so a room; the slow ones come first.
SHARED   = -m "not realtime" -n 2 --dist worksteal
REALTIME = -m realtime -n 2 --dist loadfile --no-loadscope-reorder

# Real-time tests mostly wait. The checks and the other tests run beside them, and give way to them.
test: $(VENV)/dev.stamp $(VENV)/peers.stamp
	@echo "two parts run beside each other; each prints when it ends, after some minutes"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target shared realtime

shared: $(VENV)/dev.stamp $(VENV)/peers.stamp
	nice -n 19 $(MAKE) --no-print-directory check
	nice -n 19 $(BIN)/python -m pytest $(SHARED)

realtime: $(VENV)/peers.stamp
	$(BIN)/python -m pytest $(REALTIME)

coverage: $(VENV)/peers.stamp
	$(BIN)/python -m pytest $(SHARED) --cov --cov-report=
	$(BIN)/python -m pytest $(REALTIME) --cov --cov-append --cov-report=term

safety: $(VENV)/dev.stamp
	$(BIN)/python -m tests.safety.case

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null || \
	  { echo "$(PYTHON) has no pip; on Debian: apt-get install python3-pip"; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)

# setuptools comes first and by itself: it builds the few packages that have no wheel, and this one.
$(VENV)/build.stamp: locks/build.lock | $(BIN)/python
	$(INSTALL) -r locks/build.lock
	@touch $@

$(VENV)/runtime.stamp: locks/runtime.lock pyproject.toml $(VENV)/build.stamp
	@echo "installing what locks/runtime.lock names into $(VENV), once"
	$(INSTALL) -r locks/runtime.lock
	$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: locks/dev.lock $(VENV)/runtime.stamp
	@echo "installing what locks/dev.lock names into $(VENV), once"
	$(INSTALL) -r locks/dev.lock
	@touch $@

# The programs the wire tests talk to, Debian's first: some of PyPI's are compiled against them.
# Without them their tests skip and say so.
$(VENV)/peers.stamp: locks/peers.lock tests/peers/setup.sh $(VENV)/dev.stamp
	sh tests/peers/setup.sh
	@$(BIN)/python -m tests.dicom.planning_system_set || true
	@if $(INSTALL) -r locks/peers.lock; then touch $@; else \
	  echo "peers: not installed; the tests that need them will skip"; fi

$(VENV)/docs.stamp: locks/docs.lock $(VENV)/dev.stamp
	@echo "installing what locks/docs.lock names into $(VENV), once"
	$(INSTALL) -r locks/docs.lock
	@touch $@

lock: $(VENV)/dev.stamp
	$(LOCK) -o locks/build.lock locks/build.in
	$(LOCK) -c locks/build.lock -o locks/runtime.lock pyproject.toml
	$(LOCK) -c locks/runtime.lock --extra dev --extra bench --extra tune --extra dicom --extra lsl --extra import \
	  --extra export --extra notebook -o locks/dev.lock pyproject.toml
	@mkdir -p build && sed 's/\[[a-z]*\]==/==/' locks/dev.lock >build/dev.constraints
	$(LOCK) -c build/dev.constraints --extra peers --extra dicom --extra lsl -o locks/peers.lock \
	  pyproject.toml
	$(LOCK) -c build/dev.constraints --extra docs -o locks/docs.lock pyproject.toml
	sed -i -e '/^--/d' -e '/./,$$!d' locks/*.lock  # where packages were looked up is nobody's affair

# Every warning of the site's builder is an error. The pages are in build/docs/site.
docs: $(VENV)/docs.stamp
	$(BIN)/python -m tests.documents.site build

docs-serve: $(VENV)/docs.stamp
	$(BIN)/python -m tests.documents.site serve

# make release VERSION=0.2.0 shows what would be done and leaves the checkout as it is; with CUT=yes
# it commits and tags. Without VERSION it is the present one.
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
release: $(VENV)/runtime.stamp
	$(BIN)/python -m tests.release $(VERSION) --python $(PYTHON) $(if $(filter yes,$(CUT)),--cut)

clean:
	rm -rf $(VENV) out build dist *.egg-info .coverage .hypothesis .pytest_cache .ruff_cache
	find hal sim tidetrack tracker tests -name __pycache__ -prune -exec rm -rf {} +
