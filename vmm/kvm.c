/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Opening KVM and making the virtual machine. */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/layout.h"

/* Slots of a kernel too old to say how many it has. */
#define DEFAULT_SLOTS 32
#define DEFAULT_VCPUS 4

#define NEED(name)                               \
	{                                        \
		KVM_CAP_##name, "KVM_CAP_" #name \
	}

static const struct capability {
	int number;
	const char *name;
} needed[] = {
	NEED(USER_MEMORY),    NEED(READONLY_MEM), NEED(DESTROY_MEMORY_REGION_WORKS),
	NEED(SPLIT_IRQCHIP),  NEED(IRQ_ROUTING),  NEED(IRQFD),
	NEED(IOEVENTFD),      NEED(EXT_CPUID),    NEED(SET_TSS_ADDR),
	NEED(IMMEDIATE_EXIT),
};

/* KVM_SET_IDENTITY_MAP_ADDR and the like may be interrupted by a signal before they begin. */
static int vm_ioctl(int fd, unsigned long request, void *arg)
{
	int result;

	do
		result = ioctl(fd, request, arg);
	while (result < 0 && errno == EINTR);
	return result;
}

/* --- /dev/kvm --------------------------------------------------------------------------------- */

static int open_failed(const char *path, struct report *report)
{
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return report_fail(report, REPORT_HOST,
				   "%s: not there: this needs a Linux host with KVM and its module "
				   "(kvm_intel or kvm_amd) loaded",
				   path);
	case EACCES:
	case EPERM:
		return report_fail(report, REPORT_HOST,
				   "%s: permission denied: be root or a member of the group kvm",
				   path);
	default: return report_fail(report, REPORT_HOST, "%s: %s", path, strerror(errno));
	}
}

static int open_path(const char *path, struct report *report)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? open_failed(path, report) : fd;
}

/* What was opened by somebody who may, for a process that may not. */
static int take_descriptor(const char *spec, struct report *report)
{
	const char *number = spec + 3;
	char *end;
	unsigned long given = strtoul(number, &end, 10);
	int fd = -1;

	if (*number >= '0' && *number <= '9' && !*end && given <= INT_MAX)
		fd = fcntl((int)given, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return report_fail(report, REPORT_USER,
				   "%s: not an open descriptor; give fd:N with one of /dev/kvm",
				   spec);
	return fd;
}

static int check_capabilities(struct kvm *kvm, const char *path, struct report *report)
{
	int slots, vcpus;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
			return report_fail(report, REPORT_HOST, "%s: this KVM does not have %s",
					   path, needed[i].name);
	}
	slots = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	kvm->max_slots = slots > 0 ? (size_t)slots : DEFAULT_SLOTS;
	vcpus = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	kvm->good_vcpus = vcpus > 0 ? (unsigned int)vcpus : DEFAULT_VCPUS;
	vcpus = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	kvm->max_vcpus = vcpus > 0 ? (unsigned int)vcpus : kvm->good_vcpus;
	return 0;
}

void kvm_forget(struct kvm *kvm)
{
	if (kvm->fd >= 0)
		close(kvm->fd);
	kvm->fd = -1;
}

int kvm_open(struct kvm *kvm, const char *path, struct report *report)
{
	int version, size;

	kvm->vm = -1;
	kvm->is_software = kvm_is_software();
	kvm->fd = strncmp(path, "fd:", 3) == 0 ? take_descriptor(path, report)
					       : open_path(path, report);
	if (kvm->fd < 0)
		return -1;
	version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);
	if (version < 0) {
		report_fail(report, REPORT_HOST, "%s: not a KVM: %s", path, strerror(errno));
		kvm_forget(kvm);
		return -1;
	}
	if (version != KVM_API_VERSION)
		return report_fail(report, REPORT_HOST, "%s: API version %d instead of %d", path,
				   version, KVM_API_VERSION);
	if (check_capabilities(kvm, path, report))
		return -1;
	size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return report_fail(report, REPORT_HOST, "KVM_GET_VCPU_MMAP_SIZE: %d bytes", size);
	kvm->run_size = (size_t)size;
	return 0;
}

void kvm_destroy_vm(struct kvm *kvm)
{
	if (kvm->vm >= 0)
		close(kvm->vm);
	kvm->vm = -1;
}

void kvm_close(struct kvm *kvm)
{
	kvm_destroy_vm(kvm);
	kvm_forget(kvm);
}

bool kvm_is_software(void)
{
	return access("/sys/module/kvm_pvm", F_OK) == 0;
}

/* --- the VM ----------------------------------------------------------------------------------- */

static int add_slots(const struct kvm *kvm, const struct gm_memory *memory, struct report *report)
{
	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		struct kvm_userspace_memory_region slot = {
			.slot = (uint32_t)i,
			.guest_phys_addr = gm_region_start(region),
			.memory_size = gm_region_size(region),
			.userspace_addr = (uintptr_t)gm_region_host(region),
		};

		if (gm_region_flags(region) & GM_REGION_READ_ONLY)
			slot.flags = KVM_MEM_READONLY;
		if (vm_ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &slot))
			return report_fail(report, REPORT_HOST,
					   "memory at %#llx, %#llx bytes: KVM refuses the slot: %s",
					   (unsigned long long)slot.guest_phys_addr,
					   (unsigned long long)slot.memory_size, strerror(errno));
	}
	return 0;
}

static int set_irqchip(const struct kvm *kvm, unsigned int ioapic_pins, struct report *report)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {ioapic_pins}};

	if (vm_ioctl(kvm->vm, KVM_ENABLE_CAP, &split))
		return report_fail(report, REPORT_HOST, "KVM_CAP_SPLIT_IRQCHIP: %s", strerror(errno));
	return 0;
}

/* Intel hosts that cannot run real mode need four pages of guest address space for it. */
static int set_reserved_pages(const struct kvm *kvm, struct report *report)
{
	uint64_t identity_map = KVM_IDENTITY_MAP_BASE;

	if (vm_ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map))
		return report_fail(report, REPORT_HOST, "KVM_SET_IDENTITY_MAP_ADDR: %s",
				   strerror(errno));
	if (ioctl(kvm->vm, KVM_SET_TSS_ADDR, KVM_TSS_BASE))
		return report_fail(report, REPORT_HOST, "KVM_SET_TSS_ADDR: %s", strerror(errno));
	return 0;
}

int kvm_create_vm(struct kvm *kvm, const struct gm_memory *memory, unsigned int ioapic_pins,
		  struct report *report)
{
	do
		kvm->vm = ioctl(kvm->fd, KVM_CREATE_VM, 0);
	while (kvm->vm < 0 && errno == EINTR);
	if (kvm->vm < 0)
		return report_fail(report, REPORT_HOST, "KVM_CREATE_VM: %s", strerror(errno));
	if (set_reserved_pages(kvm, report))
		return -1;
	if (add_slots(kvm, memory, report))
		return -1;
	return set_irqchip(kvm, ioapic_pins, report);
}

/* --- eventfds and routes ---------------------------------------------------------------------- */

int kvm_ioeventfd(const struct kvm *kvm, uint64_t addr, unsigned int len, uint32_t value,
		  int eventfd, bool attach)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = addr,
		.len = len,
		.fd = eventfd,
		.datamatch = value,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | (attach ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return vm_ioctl(kvm->vm, KVM_IOEVENTFD, &ioeventfd);
}

int kvm_irqfd(const struct kvm *kvm, unsigned int gsi, int eventfd, bool attach)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)eventfd,
		.gsi = gsi,
		.flags = attach ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return vm_ioctl(kvm->vm, KVM_IRQFD, &irqfd);
}

int kvm_signal_msi(const struct kvm *kvm, uint64_t address, uint32_t data)
{
	struct kvm_msi message = {
		.address_lo = (uint32_t)address,
		.address_hi = (uint32_t)(address >> 32),
		.data = data,
	};

	return vm_ioctl(kvm->vm, KVM_SIGNAL_MSI, &message) < 0 ? -1 : 0;
}

int kvm_set_routes(const struct kvm *kvm, const struct kvm_irq_routing *routes)
{
	return vm_ioctl(kvm->vm, KVM_SET_GSI_ROUTING, (void *)routes);
}
