# Each target is a line or two over npm and ./viv, and starts from nothing but git, make, Node (20 or newer) and npm.
.DEFAULT_GOAL := help
ROLES := base docker k8s lxd kata observer
ENVIRONMENTS := $(notdir $(basename $(wildcard examples/environments/*.yaml)))
ACTIONS := create list restore delete
GROUP_ACTIONS := create list start stop status snapshot delete
.PHONY: $(ROLES:%=create-%) $(ENVIRONMENTS) start stop ssh delete list status clone export images build builds menu operations \
  snapshot $(ACTIONS:%=snapshot-%) snapshot-unknown-action group $(GROUP_ACTIONS:%=group-%) group-unknown-action
.PHONY: help ready deps bundle setup up down check test unit e2e bench clean
# The locked Node and everything else, installed anew only when the lock file's content has changed.
INSTALLED := node_modules/.installed-package-lock.json
SOURCES = $(shell find apps/viv/src packages/*/src -name '*.ts' ! -name '*.test.ts')

# What users say (NAME=web) goes to viv through the environment, as it was typed: neither make nor the shell reads anything into it. A
# variable of that name that make itself was started with is not meant.
ARGUMENTS := NAME ACTION SNAPSHOT FORCE MEMBERS SOURCE TARGET FILE FORMAT ROLE CPUS MEMORY DISK
$(foreach a,$(ARGUMENTS),$(eval override $(a) := $$(if $$(filter command,$$(origin $(a))),$$(value $(a)))))
export $(ARGUMENTS)
VIV := ./viv
# $(call given,NAME): the argument where there is one. $(call option,--disk,DISK): the same with an option before it.
given = $(if $($(1)),"$$$(1)")
option = $(if $($(2)),$(1) "$$$(2)")
force = $(if $(filter 1,$(FORCE)),--yes)

help: ## Show this list
	@sed -n 's/^#: /  make /p; s/^\([a-z0-9-]*\):.*## \(.*\)/  make \1 | \2/p' Makefile | awk -F ' [|] ' '{ printf "%-78s %s\n", $$1, $$2 }'

# A VM, without manifests. NAME may be left out where there is only one VM; a new one is then named after its role.

#: create-{base,docker,k8s,lxd,kata,observer} [NAME=] [CPUS= MEMORY= DISK=] | Make a VM of this role and wait until it is up
$(ROLES:%=create-%): create-%: ready
	@$(VIV) create --wait --role $* $(call option,--cpus,CPUS) $(call option,--memory,MEMORY) $(call option,--disk,DISK) -- $(or $(call given,NAME),$*)

#: start [NAME=] | Start a VM
start: ready
	@$(VIV) start -- $(call given,NAME)

#: stop [NAME=] | Shut a VM down
stop: ready
	@$(VIV) stop -- $(call given,NAME)

#: ssh [NAME=] | Log in to a VM
ssh: ready
	@$(VIV) ssh -- $(call given,NAME)

#: delete NAME= [FORCE=1] | Delete a VM with its disks; asks first
delete: need-NAME ready
	@$(VIV) delete $(force) -- vm $(call given,NAME)

list: ready ## List the VMs
	@$(VIV) list

#: status [NAME=] | Show where everything, or one VM, stands
status: ready
	@$(VIV) status -- $(call given,NAME)

#: snapshot NAME= ACTION=create|list|restore|delete [SNAPSHOT=] | Take a snapshot, list them, go back to one, delete one
snapshot: need-NAME need-ACTION $(if $(word 2,$(ACTION)),snapshot-unknown-action,snapshot-$(or $(filter $(ACTIONS),$(ACTION)),unknown-action))
snapshot-create: ready
	@$(VIV) snapshot create -- $(call given,NAME) $(call given,SNAPSHOT)
snapshot-list: ready
	@$(VIV) snapshot list -- $(call given,NAME)
snapshot-restore: need-SNAPSHOT ready
	@$(VIV) snapshot restore -- $(call given,NAME) $(call given,SNAPSHOT)
snapshot-delete: need-SNAPSHOT ready
	@$(VIV) snapshot delete $(call option,--vm,NAME) -- $(call given,SNAPSHOT)
snapshot-unknown-action:
	@$(error ACTION is none of $(ACTIONS))

#: group ACTION=create|list|start|stop|status|snapshot|delete [NAME=] [MEMBERS="db web:db"] | The same for several VMs at once
group: need-ACTION $(if $(word 2,$(ACTION)),group-unknown-action,group-$(or $(filter $(GROUP_ACTIONS),$(ACTION)),unknown-action))
group-create: need-NAME need-MEMBERS ready
	@set -f; $(VIV) group create -- $(call given,NAME) $$MEMBERS
group-list: ready
	@$(VIV) group list
group-start group-stop group-status: group-%: need-NAME ready
	@$(VIV) group $* -- $(call given,NAME)
group-snapshot: need-NAME ready
	@$(VIV) group snapshot -- $(call given,NAME) $(call given,SNAPSHOT)
group-delete: need-NAME ready
	@$(VIV) group delete $(force) -- $(call given,NAME)
group-unknown-action:
	@$(error ACTION is none of $(GROUP_ACTIONS))

#: clone SOURCE= TARGET= | Make a VM of another one
clone: need-SOURCE need-TARGET ready
	@$(VIV) clone -- $(call given,SOURCE) $(call given,TARGET)

#: export NAME= TARGET= / FILE= [FORMAT=qcow2|raw|vmdk|ova] | Make an image, or a file such as web.ova, of a VM
export: need-NAME $(if $(FILE),,need-TARGET) ready
	@$(VIV) export $(call option,--file,FILE) $(call option,--format,FORMAT) -- $(call given,NAME) $(call given,TARGET)

#: images | List the images: role, source, parent, size, what uses them
images: ready
	@$(VIV) images

#: build ROLE= | Build the image of a role, and those that it is built upon
build: need-ROLE ready
	@$(VIV) build -- $(call given,ROLE)

builds: ready ## List the builds of images: queued, under way and ended
	@$(VIV) builds

menu: ready ## Choose instead of typing
	@$(VIV) menu

operations: ready ## Show long work: what goes on, and what was done
	@$(VIV) operations

#: dev-vm, web-vm, web-and-db, k8s-cluster [NAME=] | Make a ready-made environment of one or several VMs
$(ENVIRONMENTS): ready
	@$(VIV) env create -- $@ $(call given,NAME)

# Before anything is installed or started.
need-%:
	@$(if $($*),:,$(error $* is missing: make $(firstword $(MAKECMDGOALS)) $*=...))

# The host prepared and the server running, for the targets above; says nothing where that is so.
ready: bundle
	@$(VIV) up --server-only

deps: ## Install the project's dependencies, with the pinned Node
	@cmp -s package-lock.json $(INSTALLED) || { echo "Installing the project's dependencies, which takes a minute ..."; \
	  npm ci --no-update-notifier --no-audit --no-fund --loglevel=error && cp package-lock.json $(INSTALLED); }

dist/viv.mjs: package-lock.json $(SOURCES) | deps
	@npm run --silent build

bundle: dist/viv.mjs ## Bundle the command into dist/viv.mjs

setup: deps ## Prepare the host: packages, libvirt, network, groups
	./viv setup

up: bundle ## Do everything: prepare the host, start the server, bring the quick-start VM up, prove it over SSH
	./viv up

down: deps ## Power the quick-start VM off and stop the server
	./viv down

check: deps ## Say what of this host works and what is missing
	./viv check

test: bundle ## Run all tests, with libvirt, guests and kubectl
	./viv setup
	npm run --silent test

unit: deps ## Run the unit tests alone
	npm run --silent unit

e2e: bundle ## Run the end-to-end tests alone
	./viv setup
	npm run --silent e2e

bench: bundle ## Measure; prints the JSON behind docs/performance.md
	npm run --silent bench

clean: ## Remove what was built and installed here; VMs and state stay
	rm -rf dist .cache node_modules
