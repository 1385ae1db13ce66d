/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * CPUID. One package with @count cores of one thread each; the APIC id is the index of the vCPU.
 * Everything else is passed on as KVM reports it, including its own leaves at 0x40000000.
 */
#include "vmm/cpuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define ENTRIES_FIRST 128
#define ENTRIES_MAX   4096

#define LEAF1_ECX_TSC_DEADLINE (1U << 24)
#define LEAF1_ECX_HYPERVISOR   (1U << 31)
#define LEAF1_EDX_HTT          (1U << 28)

#define LEAF4_CORES_SHIFT   26
#define LEAF4_THREADS_SHIFT 14
#define LEAF4_THREADS_MASK  0xfff

#define TOPOLOGY_INVALID 0
#define TOPOLOGY_THREAD  1
#define TOPOLOGY_CORE    2

static struct kvm_cpuid2 *supported(const struct kvm *kvm)
{
	for (uint32_t room = ENTRIES_FIRST; room <= ENTRIES_MAX; room *= 2) {
		struct kvm_cpuid2 *cpuid =
			calloc(1, sizeof(*cpuid) + room * sizeof(cpuid->entries[0]));

		if (!cpuid)
			return NULL;
		cpuid->nent = room;
		if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, cpuid) == 0)
			return cpuid;
		free(cpuid);
		if (errno != E2BIG)
			return NULL;
	}
	return NULL;
}

/* Bits of an APIC id that tell @count cores apart. */
static unsigned int id_bits(unsigned int count)
{
	return count > 1 ? 32 - (unsigned int)__builtin_clz(count - 1) : 0;
}

/* Leaves 0xb and 0x1f: a level of threads, one of cores, the end. */
static void set_topology(struct kvm_cpuid_entry2 *entry, unsigned int index, unsigned int count)
{
	entry->edx = index;
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = (entry->index & 0xff) | TOPOLOGY_INVALID << 8;
	if (entry->index == 0) {
		entry->ebx = 1;
		entry->ecx = TOPOLOGY_THREAD << 8;
	} else if (entry->index == 1) {
		entry->eax = id_bits(count);
		entry->ebx = count;
		entry->ecx = 1 | TOPOLOGY_CORE << 8;
	}
}

static void adjust(struct kvm_cpuid_entry2 *entry, unsigned int index, unsigned int count,
		   bool tsc_deadline)
{
	switch (entry->function) {
	case 0x1:
		entry->ebx = (entry->ebx & 0xffff) | count << 16 | index << 24;
		entry->ecx |= LEAF1_ECX_HYPERVISOR;
		if (tsc_deadline)
			entry->ecx |= LEAF1_ECX_TSC_DEADLINE;
		entry->edx &= ~LEAF1_EDX_HTT;
		if (count > 1)
			entry->edx |= LEAF1_EDX_HTT;
		break;
	case 0x4:
		/* Caches: shared by no other thread of a core; cores of the package. */
		entry->eax &= ~(LEAF4_THREADS_MASK << LEAF4_THREADS_SHIFT);
		entry->eax &= (1U << LEAF4_CORES_SHIFT) - 1;
		if (entry->eax & 0x1f)
			entry->eax |= (count - 1) << LEAF4_CORES_SHIFT;
		break;
	case 0xb:
	case 0x1f: set_topology(entry, index, count); break;
	case 0x80000008:
		/* AMD: number of cores less one, and bits of the id */
		entry->ecx = (count - 1) | id_bits(count) << 12;
		break;
	case 0x8000001e:
		entry->eax = index;
		entry->ebx = index; /* core id, one thread */
		entry->ecx = 0;     /* one node */
		break;
	default: break;
	}
}

int cpuid_set(const struct kvm *kvm, int vcpu_fd, unsigned int index, unsigned int count,
	      struct report *report)
{
	bool tsc_deadline = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	struct kvm_cpuid2 *cpuid = supported(kvm);
	int err;

	if (!cpuid)
		return report_fail(report, REPORT_HOST, "KVM_GET_SUPPORTED_CPUID: %s",
				   strerror(errno));
	for (uint32_t i = 0; i < cpuid->nent; i++)
		adjust(&cpuid->entries[i], index, count, tsc_deadline);
	err = ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	if (err)
		return report_fail(report, REPORT_HOST, "KVM_SET_CPUID2: %s", strerror(errno));
	return 0;
}
