# Hearth's commands. `make` alone prints them; each takes STACK= (default dev).
STACK ?= dev
PYTHON ?= python3
TOOLCHAIN = $(PYTHON) -m toolchain
VENV = .venv/bin
# The project's own tools first, on every recipe's PATH.
export PATH := $(CURDIR)/$(VENV):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup up preview check drift test lint unit soak bench down lab

help:  ## print this list
	@grep -hE '^[a-z]+:.*  ## ' $(MAKEFILE_LIST) | awk -F ':.*  ## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup:  ## get the toolchain: .venv, Pulumi's engine, a place for the state
	@$(TOOLCHAIN) setup

up: setup lab  ## bring the stack up (dev: on lab machines, made first)
	@$(TOOLCHAIN) up --stack $(STACK)

preview: setup  ## show what `up` would change
	@$(TOOLCHAIN) preview --stack $(STACK)

check: setup  ## ask the running stack what its users would ask (DISRUPTIVE=1: also stop parts, to see them come back)
	@$(VENV)/python -m checks --stack $(STACK) $(if $(DISRUPTIVE),--disruptive)

drift: setup  ## show what changed on the machines since `up` (exit code 7 if anything did)
	@$(TOOLCHAIN) drift --stack $(STACK)

test:  ## run every test but the soak, after the linters
	@# The type checker has work for one processor only: the unit tests take the other.
	@$(MAKE) --no-print-directory -j 2 lint unit
	@# Built once per computer, before the tests want the processor. Where it can't be, the tests that need it say so.
	-@$(VENV)/python -m lab.kubernetes
	@# Machines make tests wait more than work: three files at a time, each with a lab of its own; one has the cluster.
	@$(VENV)/pytest -m "not soak" -n 3 --dist loadfile --durations=15 tests/lab
	@# Side by side, each line with the suite that it comes from.
	@printf '%s\n' apps/*/test.sh | xargs -P 2 -I{} bash -o pipefail -c '{} 2>&1 | sed -u "s|^|{}: |"'

soak: setup  ## repeat the hard tests for a long time
	@$(VENV)/pytest -m soak

bench: setup  ## measure against Ansible on lab machines
	@$(VENV)/python -m tests.bench
	@$(VENV)/python -m tests.bench --core
	@$(VENV)/python -m tests.bench --todo

down: setup  ## take the stack down (dev: and the lab with it)
	@$(TOOLCHAIN) down --stack $(STACK)
	@if [ "$(STACK)" = dev ]; then $(VENV)/python -m lab down; fi

lint: setup
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/basedpyright --level error
	@$(VENV)/lint-imports
	@{ git ls-files '*.sh'; git grep -lIE '^#!/(usr/)?bin/(env )?(ba)?sh' -- ':!*.py' ':!*.md'; } | sort -u | xargs $(VENV)/shellcheck

unit: setup
	@$(VENV)/pytest -q -n 2 tests/unit

lab: setup
	@if [ "$(STACK)" = dev ]; then $(VENV)/python -m lab up; fi
