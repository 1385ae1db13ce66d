# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# libguestmem for others: the shared library, the examples, the reference. Included by the Makefile,
# whose variables it uses; install.mk installs it.

# The number changes when programs have to be compiled again.
SONAME := libguestmem.so.0
SHARED := $(B)/libguestmem.so.$(VERSION)
PIC_OBJS := $(patsubst guestmem/%.c,$(O)/pic/%.o,$(wildcard guestmem/*.c))
PUBLIC_HEADERS := $(filter-out guestmem/internal.h,$(wildcard guestmem/*.h))
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))

.PHONY: library examples docs
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

docs: ## the reference manual of libguestmem, HTML and man pages in build/docs
	$(Q)mkdir -p $(B)/docs
	$(Q)sed 's|@VERSION@|$(VERSION)|; s|@OUTPUT@|$(B)/docs|' docs/Doxyfile | doxygen -
	$(call say,DOCS,$(B)/docs/html/index.html)
