# Hearth's commands. `make` alone prints them; each takes STACK= (default dev).
# make turns every failure into exit code 2: ./hearth has the same commands with their own.
STACK ?= dev
PYTHON ?= python3
HEARTH = PYTHON=$(PYTHON) ./hearth
VENV = .venv/bin
# The project's own tools first, on every recipe's PATH.
export PATH := $(CURDIR)/$(VENV):$(PATH)

.DEFAULT_GOAL := help
# With it, each of a run's thousands of Python processes compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up preview check drift test test-quick test-lab test-apps lint unit soak bench down

help:  ## print this list
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | awk -F ':.*  ## ' '{printf "make %-10s %s\n", $$1, $$2}'

setup:  ## get the toolchain: .venv, Pulumi's engine, a place for the state
	@$(HEARTH) setup

up:  ## bring the stack up (dev: on lab machines, made first)
	@$(HEARTH) up --stack $(STACK)

preview:  ## show what `up` would change
	@$(HEARTH) preview --stack $(STACK)

check:  ## ask the running stack what its users would ask (DISRUPTIVE=1: also stop parts, to see them come back)
	@$(HEARTH) check --stack $(STACK) $(if $(DISRUPTIVE),--disruptive)

drift:  ## show what changed on the machines since `up` (./hearth drift: exit code 7 if anything did)
	@$(HEARTH) drift --stack $(STACK)

# What a system runs that is our own: tested with it.
APPS_core = foundation mail-assistant
APPS_todo = foundation todo
APPS_maubot = sna-instagram echo-bot

SYSTEMS = $(sort $(filter-out __%,$(notdir $(patsubst %/,%,$(wildcard tests/unit/systems/*/ tests/lab/systems/*/)))))
unknown = $(filter-out $(SYSTEMS),$(SYSTEM))

ifdef SYSTEM
.PHONY: known-system
# Without a folder of tests, pytest would run all that there are, those of the lab too.
known-system:
	@$(if $(unknown),$(error SYSTEM=$(SYSTEM): there is no system $(unknown), so nothing was run; give one or more of: $(SYSTEMS)))

test: known-system setup  ## run every test but the soak, after the linters (SYSTEM=core: one system's tests of every kind)
	@$(VENV)/pytest -q -m "not soak" $(wildcard $(foreach system,$(SYSTEM),tests/unit/systems/$(system) tests/lab/systems/$(system)))
	@for app in $(sort $(foreach system,$(SYSTEM),$(APPS_$(system)))); do [ ! -x apps/$$app/test.sh ] || apps/$$app/test.sh || exit; done
else
test:
	@$(MAKE) --no-print-directory test-quick
	@# Built once per computer, before the tests want the processor. Where it can't be, the tests that need it say so.
	-@$(VENV)/python -m lab.kubernetes
	-@$(VENV)/python -m lab.systems.maubot.dendrite
	-@$(VENV)/python -m lab.systems.secondbrain.podman4
	@# The applications' tests wait more than they work.
	@$(MAKE) --no-print-directory -j 2 test-lab test-apps
endif

test-lab:
	@# Machines make tests wait more than work: four files at a time, each with a lab of its own; one has the cluster.
	@$(VENV)/pytest -m "not soak" -n 4 --dist loadfile --durations=15 tests/lab

test-apps:
	@# One suite after another. Each says what it has to say at its end, beside what the lab's tests say meanwhile.
	@printf '%s\n' apps/*/test.sh | xargs -I{} bash -c 'said=$$({} 2>&1); code=$$?; sed "s|^|{}: |" <<<"$$said"; exit $$code'

soak: setup  ## repeat the hard tests for a long time
	@$(VENV)/pytest -m soak

bench: setup  ## measure against Ansible on lab machines
	@$(VENV)/python -m tests.bench
	@$(VENV)/python -m tests.bench --core
	@$(VENV)/python -m tests.bench --todo
	@$(VENV)/python -m tests.bench --maubot
	@$(VENV)/python -m tests.bench --lxd
	@$(VENV)/python -m tests.bench --lxd-ansible

down:  ## take the stack down (dev: and the lab with it)
	@$(HEARTH) down --stack $(STACK)

# Each in a process of its own, which collects its own tests and none of the others'; what is elsewhere is in the first.
# They take a fifth each, and some tests wait: all at a time.
UNIT_FOLDERS = tests/unit $(addprefix tests/unit/,config systems providers providers/kinds)
.PHONY: $(UNIT_FOLDERS)
# All of a part's output at its end, and the end of each, whichever fails.
AT_ONCE = $(MAKE) --no-print-directory -k -O -j 6

test-quick:  ## the linters and the unit tests, in less than a minute
	@$(AT_ONCE) lint $(UNIT_FOLDERS)

lint: setup
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/basedpyright --level error
	@$(VENV)/lint-imports
	@$(VENV)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@{ git ls-files '*.sh'; git grep -lIE '^#!/(usr/)?bin/(env )?(ba)?sh' -- ':!*.py' ':!*.md'; } | sort -u | xargs $(VENV)/shellcheck

unit:
	@$(AT_ONCE) $(UNIT_FOLDERS)

# The type checker is one thread, and the longest of all: what is many gives way to it. The parts would write one cache.
$(UNIT_FOLDERS): setup
	@echo "unit tests: $@"
	@nice $(VENV)/pytest -q -p no:xdist -p no:cacheprovider $@ $(patsubst %,--ignore=%,$(filter $@/%,$(UNIT_FOLDERS)))
