# What there is to do here.  Every target sets up what it needs first: .venv, and packages of Debian.
.POSIX:
HOSTS = 3
.PHONY: help setup demo demo-clean lab lab-down test lint bench docs man lock clean

PYTHON_OF_VENV = .venv/bin/python

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 20

setup: ## make .venv with every command in .venv/bin
	@tools/setup

demo: setup ## boot a real virtual machine out of a template, and take it down again
	@tools/packages guest
	@$(PYTHON_OF_VENV) tools/demo

demo-clean: ## stop the demo's engine and remove what the demo made
	@[ ! -d demo-home ] || "$$(command -v .venv/bin/python || command -v python3)" tools/demo clean

lab: setup ## start a cluster of hosts made of namespaces, HOSTS=3 of them
	@tools/packages guest lab
	@tools/lab up --hosts $(HOSTS)

lab-down: ## end that cluster, and remove all of it
	@tools/lab down

test: setup ## run the whole test suite, guests included
	@tools/packages guest test lab clients xen
	@tools/xen/fetch build/xen
	@tools/clients
	$(PYTHON_OF_VENV) -m pytest tests -n 3 --dist loadfile --ignore=tests/lab --ignore=tests/drivers/test_fleet.py
	$(PYTHON_OF_VENV) -m pytest tests/drivers/test_fleet.py
	tools/test-lab $(PYTHON_OF_VENV)

lint: setup ## check style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: setup ## measure how fast the engine and the copies of images are
	@tools/packages bench
	$(PYTHON_OF_VENV) -m bench

docs: setup ## write the generated pages of docs/
	$(PYTHON_OF_VENV) docs/make.py
	$(PYTHON_OF_VENV) docs/make_api.py
	$(PYTHON_OF_VENV) docs/make_cli_parity.py
	$(PYTHON_OF_VENV) docs/make_rights.py
	$(PYTHON_OF_VENV) -m trifid.cli.docs > docs/cli.md

man: setup ## write the manual pages of all commands into build/man
	$(PYTHON_OF_VENV) -m trifid.cli.man build/man

lock: setup ## write requirements.lock and requirements-clients.lock
	tools/lock

clean: demo-clean ## remove everything that was made here
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
