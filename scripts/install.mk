# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Installation: the monitor, libguestmem for others, manual pages, completions. Included by the
# Makefile, whose variables it uses.
#
#	make install DESTDIR=/tmp/stage PREFIX=/usr

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/vmm
LIBDOCDIR ?= $(PREFIX)/share/doc/guestmem
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc

# --- manual pages -------------------------------------------------------------------------------

PAGES := $(patsubst docs/man/%.scd,$(B)/man/%,$(wildcard docs/man/*.scd))

.PHONY: man install install-static uninstall deb check-package
man: $(PAGES) ## the manual pages, in build/man

# The date in a page is that of the last change, so that the same sources make the same page.
$(B)/man/%: docs/man/%.scd scripts/man-page $(B)/vmm $(PUBLIC_HEADERS) guestmem/README.md vmm/README.md VERSION
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)command -v scdoc >/dev/null || { \
		echo "make: manual pages need scdoc: sudo apt-get install scdoc, or leave them out with MAN=no" >&2; \
		exit 1; }
	$(Q)VMM_BUILD=$(B) scripts/man-page $< >$@.scd
	$(Q)SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || stat -c %Y VERSION)} \
		scdoc <$@.scd >$@.tmp && mv $@.tmp $@ && rm $@.scd

# --- what goes where: FILE|MODE|PLACE -------------------------------------------------------------

into = $(foreach file,$(1),$(file)|$(2)|$(3)/$(notdir $(file)))
man_into = $(foreach page,$(1),$(page)|644|$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
INSTALLED := $(call into,$(B)/vmm,755,$(BINDIR)) \
	$(call into,$(PUBLIC_HEADERS),644,$(INCLUDEDIR)/guestmem) \
	$(call into,$(B)/libguestmem.a,644,$(LIBDIR)) \
	$(call into,$(SHARED),755,$(LIBDIR)) \
	$(call into,$(B)/install/guestmem.pc,644,$(LIBDIR)/pkgconfig) \
	$(if $(filter no,$(MAN)),,$(call man_into,$(PAGES))) \
	$(call into,$(B)/install/vmm@.service,644,$(UNITDIR)) \
	packaging/completion/vmm.bash|644|$(BASHDIR)/vmm \
	packaging/completion/_vmm|644|$(ZSHDIR)/_vmm \
	$(call into,README.md CHANGELOG.md SECURITY.md LICENSE $(wildcard LICENSES/*),644,$(DOCDIR)) \
	$(call into,vmm/README.md,644,$(DOCDIR)/vmm) \
	$(call into,devices/README.md,644,$(DOCDIR)/devices) \
	$(call into,docs/control.md docs/how-vmm-works.md docs/jail.md docs/stats.md,644,$(DOCDIR)/docs) \
	$(call into,$(wildcard scripts/layouts/*.layout),644,$(DOCDIR)/layouts) \
	$(call into,guestmem/README.md LICENSE $(wildcard LICENSES/*),644,$(LIBDOCDIR)) \
	$(call into,$(wildcard examples/*.c),644,$(LIBDOCDIR)/examples)
INSTALLED_STATIC := $(call into,$(B)/vmm-static,755,$(BINDIR))
LINKS := $(LIBDIR)/$(SONAME) $(LIBDIR)/libguestmem.so

place = $(Q)set -f; for row in $(foreach row,$(1),'$(row)'); do \
	IFS='|'; set -- $$row; install -D -m $$2 "$$1" "$(DESTDIR)$$3" || exit 1; done

install: library $(B)/vmm $(if $(filter no,$(MAN)),,$(PAGES)) ## install vmm and libguestmem: DESTDIR, PREFIX, BINDIR, LIBDIR, ...
	$(Q)mkdir -p $(B)/install
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' guestmem/guestmem.pc.in >$(B)/install/guestmem.pc
	$(Q)sed -e 's|@BINDIR@|$(BINDIR)|' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|' packaging/vmm@.service.in \
		>$(B)/install/vmm@.service
	$(call place,$(INSTALLED))
	$(Q)ln -sf $(notdir $(SHARED)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libguestmem.so

install-static: static ## install vmm-static, one file of its own
	$(call place,$(INSTALLED_STATIC))

# With the same DESTDIR and PREFIX as it was installed. Directories go if they are empty then and
# vmm's own.
uninstall: ## remove what install and install-static put there
	$(Q)rm -f $(foreach row,$(INSTALLED) $(INSTALLED_STATIC),'$(DESTDIR)$(lastword $(subst |, ,$(row)))') \
		$(LINKS:%='$(DESTDIR)%')
	$(Q)for dir in $(INCLUDEDIR)/guestmem $(DOCDIR)/vmm $(DOCDIR)/devices $(DOCDIR)/docs $(DOCDIR)/layouts \
		$(DOCDIR) $(LIBDOCDIR)/examples $(LIBDOCDIR); do \
		[ ! -d "$(DESTDIR)$$dir" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$dir"; done

deb: ## the Debian packages, in build/deb
	$(Q)scripts/make-deb

check-package: build/vmm static library man ## the Debian packages in a clean Debian: install, use, purge
	$(Q)scripts/check-package
