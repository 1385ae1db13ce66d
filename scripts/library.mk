# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# libguestmem for others: the shared library, installation, the examples, the manual. Included by
# the Makefile, whose variables it uses.
#
#	make install DESTDIR=/tmp/stage PREFIX=/usr

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include

# The number changes when programs have to be compiled again.
SONAME := libguestmem.so.0
SHARED := $(B)/libguestmem.so.$(VERSION)
PIC_OBJS := $(patsubst guestmem/%.c,$(O)/pic/%.o,$(wildcard guestmem/*.c))
PUBLIC_HEADERS := $(filter-out guestmem/internal.h,$(wildcard guestmem/*.h))
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))

.PHONY: library examples install docs
library: $(B)/libguestmem.a $(SHARED) ## libguestmem, static and shared
examples: $(EXAMPLES) ## the example programs of the library

$(O)/pic/%.o: guestmem/%.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fPIE,$(CFLAGS_ALL)) -fPIC $(DEPFLAGS) -c -o $@ $<

$(SHARED): $(PIC_OBJS) guestmem/guestmem.map
	$(call say,LD,$@)
	$(Q)$(CC) $(filter-out -pie,$(LDFLAGS_ALL)) -shared -Wl,-soname,$(SONAME) \
		-Wl,--version-script=guestmem/guestmem.map -o $@ $(PIC_OBJS) $(DEP_SHARED_LIBS)

$(EXAMPLES): $(B)/examples/%: $(O)/examples/%.o $(B)/libguestmem.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DEP_LIBS)

install: library ## install libguestmem: DESTDIR, PREFIX, LIBDIR, INCLUDEDIR
	$(Q)install -d $(DESTDIR)$(INCLUDEDIR)/guestmem $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)install -m 644 $(PUBLIC_HEADERS) $(DESTDIR)$(INCLUDEDIR)/guestmem
	$(Q)install -m 644 $(B)/libguestmem.a $(DESTDIR)$(LIBDIR)
	$(Q)install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)
	$(Q)ln -sf $(notdir $(SHARED)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libguestmem.so
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' guestmem/guestmem.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/guestmem.pc

docs: ## the reference manual of libguestmem, HTML and man pages in build/docs
	$(Q)mkdir -p $(B)/docs
	$(Q)sed 's|@VERSION@|$(VERSION)|; s|@OUTPUT@|$(B)/docs|' docs/Doxyfile | doxygen -
	$(call say,DOCS,$(B)/docs/html/index.html)
