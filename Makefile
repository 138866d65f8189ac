# Each target is a line or two over npm and ./viv; `make up` and `make test` start from nothing but git, make, Node (20 or newer) and npm.
.DEFAULT_GOAL := help
.PHONY: help deps build setup up down check test unit e2e bench clean
# The locked Node and everything else, installed anew only when the lock file's content has changed.
INSTALLED := node_modules/.installed-package-lock.json
SOURCES = $(shell find apps/viv/src packages/*/src -name '*.ts' ! -name '*.test.ts')

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

deps: ## Install the project's dependencies, with the pinned Node
	@cmp -s package-lock.json $(INSTALLED) || { echo "Installing the project's dependencies, which takes a minute ..."; \
	  npm ci --no-update-notifier --no-audit --no-fund --loglevel=error && cp package-lock.json $(INSTALLED); }

dist/viv.mjs: package-lock.json $(SOURCES) | deps
	@npm run --silent build

build: dist/viv.mjs ## Bundle the command into dist/viv.mjs

setup: deps ## Prepare the host: packages, libvirt, network, groups
	./viv setup

up: build ## Do everything: prepare the host, start the server, bring the quick-start VM up, prove it over SSH
	./viv up

down: deps ## Power the quick-start VM off and stop the server
	./viv down

check: deps ## Say what of this host works and what is missing
	./viv check

test: build ## Run all tests, with libvirt, guests and kubectl
	./viv setup
	npm run --silent test

unit: deps ## Run the unit tests alone
	npm run --silent unit

e2e: build ## Run the end-to-end tests alone
	./viv setup
	npm run --silent e2e

bench: build ## Measure; prints the JSON behind docs/performance.md
	npm run --silent bench

clean: ## Remove what was built and installed here; VMs and state stay
	rm -rf dist .cache node_modules
