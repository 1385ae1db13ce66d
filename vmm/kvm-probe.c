/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Whether this KVM runs a stock kernel. Software KVM interprets ring 0 and does not know every
 * instruction; Linux executes cmpxchg16b and int3 when it starts, so these are what is tried, not
 * what the host is called. And what a debugger may ask for: not every KVM stops at int3 (an
 * emulator's delivers it to the guest) and at watched accesses.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/kvm.h"

/* Guest memory of the trial: what there is in it, page by page. */
#define CODE     0x000
#define DEBUGGED 0x080 /* what a debugger stops at */
#define HANDLER  0x100
#define OPERAND  0x200 /* of cmpxchg16b */
#define GDT      0x300
#define IDT      0x400
#define STACK    0x800
#define PML4     0x1000
#define PDPT     0x2000
#define PD       0x3000
#define SIZE     0x4000

#define PORT          0x80
#define SELECTOR_CODE 0x08

#define PTE_PRESENT_WRITABLE 3
#define PTE_LARGE            0x80
#define CODE_DESCRIPTOR      0x00209b0000000000ULL /* 64 bit, present, accessed */
#define GATE_INTERRUPT       0x8e00ULL
#define VECTOR_INT3          3

#define CR0_PE_NE_PG 0x80000021U
#define CR4_PAE      0x20
#define EFER_LME_LMA 0x500
#define RFLAGS_FIXED 2

/* DR0: a write of four bytes. */
#define DR7_WATCH 0xd0402U

static void put(uint8_t *memory, size_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

static void write_program(uint8_t *memory)
{
	/* lock cmpxchg16b (%rsi); int3; hlt */
	static const uint8_t code[] = {0xf0, 0x48, 0x0f, 0xc7, 0x0e, 0xcc, 0xf4};
	/* out %al, $PORT; hlt */
	static const uint8_t handler[] = {0xe6, PORT, 0xf4};

	/* mov %eax, (%rsi); int3; hlt */
	static const uint8_t debugged[] = {0x89, 0x06, 0xcc, 0xf4};

	memcpy(memory + CODE, code, sizeof(code));
	memcpy(memory + DEBUGGED, debugged, sizeof(debugged));
	memcpy(memory + HANDLER, handler, sizeof(handler));
	put(memory, GDT + SELECTOR_CODE, CODE_DESCRIPTOR);
	put(memory, IDT + VECTOR_INT3 * 16, GATE_INTERRUPT << 32 | SELECTOR_CODE << 16 | HANDLER);
	put(memory, PML4, PDPT | PTE_PRESENT_WRITABLE);
	put(memory, PDPT, PD | PTE_PRESENT_WRITABLE);
	put(memory, PD, PTE_PRESENT_WRITABLE | PTE_LARGE);
}

static int set_registers(int vcpu, uint64_t rip)
{
	struct kvm_regs regs = {
		.rip = rip,
		.rsp = STACK,
		.rsi = OPERAND,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs = (struct kvm_segment){
		.selector = SELECTOR_CODE,
		.limit = UINT32_MAX,
		.type = 0xb,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	sregs.ss.selector = 0;
	sregs.gdt = (struct kvm_dtable){.base = GDT, .limit = 0xf};
	sregs.idt = (struct kvm_dtable){.base = IDT, .limit = 0xff};
	sregs.cr0 = CR0_PE_NE_PG;
	sregs.cr3 = PML4;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME_LMA;
	return ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs) ? -1 : 0;
}

static int run_once(int vcpu)
{
	int err;

	do
		err = ioctl(vcpu, KVM_RUN, 0);
	while (err < 0 && (errno == EINTR || errno == EAGAIN));
	return err;
}

/* 1 if the handler was reached, 0 if not, -1 and errno if it could not be tried. */
static int try_kernel(int vcpu, const struct kvm_run *run)
{
	if (set_registers(vcpu, CODE) || run_once(vcpu))
		return -1;
	return run->exit_reason == KVM_EXIT_IO && run->io.port == PORT;
}

/* A watched write, then int3: which of them end KVM_RUN as they should. */
static int try_debug(int vcpu, const struct kvm_run *run)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_USE_SW_BP,
		.arch.debugreg = {[0] = OPERAND, [7] = DR7_WATCH},
	};
	int found = 0;

	if (set_registers(vcpu, DEBUGGED) || ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug))
		return -1;
	for (int i = 0; i < 2; i++) {
		if (run_once(vcpu))
			return -1;
		if (run->exit_reason != KVM_EXIT_DEBUG)
			break;
		found |= run->debug.arch.exception == VECTOR_INT3 ? KVM_STOPS_AT_INT3
								  : KVM_STOPS_AT_WATCH;
	}
	return found;
}

static int trial(const struct kvm *kvm, int (*try)(int vcpu, const struct kvm_run *run),
		 struct report *report)
{
	struct kvm_userspace_memory_region slot = {.memory_size = SIZE};
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *run = MAP_FAILED;
	int vm = ioctl(kvm->fd, KVM_CREATE_VM, 0), vcpu = -1, result = -1;

	if (memory == MAP_FAILED || vm < 0)
		goto out;
	write_program(memory);
	slot.userspace_addr = (uintptr_t)memory;
	if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		goto out;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		goto out;
	run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run != MAP_FAILED)
		result = try(vcpu, run);
out:
	if (result < 0)
		report_fail(report, REPORT_HOST, "a trial run in KVM: %s", strerror(errno));
	if (run != MAP_FAILED)
		munmap(run, kvm->run_size);
	if (vcpu >= 0)
		close(vcpu);
	if (vm >= 0)
		close(vm);
	if (memory != MAP_FAILED)
		munmap(memory, SIZE);
	return result;
}

int kvm_runs_kernels(const struct kvm *kvm, struct report *report)
{
	return trial(kvm, try_kernel, report);
}

int kvm_stops_at(const struct kvm *kvm, struct report *report)
{
	return trial(kvm, try_debug, report);
}
