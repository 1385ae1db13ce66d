/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* CPUID: what KVM supports on this host, with this machine's topology in place of the host's. */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include "devices/report.h"
#include "vmm/kvm.h"

/* Give vCPU @index of @count, behind @vcpu_fd, its CPUID. */
int cpuid_set(const struct kvm *kvm, int vcpu_fd, unsigned int index, unsigned int count,
	      struct report *report);

#endif
