# Everything runs from .venv, which is made from nothing but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo run test lint format lock clean

demo: .venv/ready
	@$(BIN)/tocsin demo $(ARGS)

run: .venv/ready
	@$(BIN)/tocsin up --data $(or $(DATA),data) $(ARGS)

# Much of the tests' time is waiting, so there is one process more than the smallest machine has processors.
test: lint
	$(BIN)/pytest -n $(or $(PROCESSES),3) $(ARGS)

# mypy and import-linter see the package whole only as it is installed: built into one folder.
lint: .venv/ready-to-test
	@rm -rf build/lib
	@$(BIN)/python -c "import setuptools; setuptools.setup()" -q build_py --build-lib build/lib
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd build/lib && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p tocsin
	cd build/lib && ../../$(BIN)/lint-imports --config ../../setup.cfg --cache-dir ../../.import_linter_cache

format: .venv/ready-to-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The versions everybody installs, until somebody chooses newer ones.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --upgrade pip
	build/lock/bin/pip install --quiet '.[test]'
	build/lock/bin/pip freeze --exclude tocsin > constraints.txt
	rm -rf build/lock

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

.venv/ready: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tocsin needs Python 3.11 or later: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Tocsin into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/ready-to-test: .venv/ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@
