/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Writing the guest's ELF core: file header, program headers, notes, then each region at a multiple
 * of the page size. There are no more regions than memory slots, far fewer than program headers can
 * be. Virtual addresses in it are physical ones: whoever reads it for a kernel with page tables
 * walks those, as crash(8) does from the registers in the notes.
 */
#include "vmm/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/confine.h"

#define PAGE  4096U
#define CHUNK 65536U

/* One vCPU's: NT_PRSTATUS as Linux writes it for a process. */
struct note {
	Elf64_Nhdr head;
	char name[8];
	struct elf_prstatus status;
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct note) % 4 == 0, "notes stand one behind the other");

static int failed(const struct core *core, int err, struct report *report)
{
	return report_fail(report, REPORT_HOST, "--on-crash dump=%s: %s", core->path, strerror(err));
}

static int put(struct core *core, const void *bytes, size_t len, uint64_t at, struct report *report)
{
	const char *from = bytes;

	while (len) {
		ssize_t done = pwrite(core->fd, from, len, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return failed(core, done ? errno : ENOSPC, report);
		from += done;
		at += (uint64_t)done;
		len -= (size_t)done;
	}
	return 0;
}

/* --- registers ---------------------------------------------------------------------------------- */

/* Copied by name: Linux's order is one of its own. */
static void set_general(struct user_regs_struct *to, const struct kvm_regs *regs)
{
	to->r15 = regs->r15;
	to->r14 = regs->r14;
	to->r13 = regs->r13;
	to->r12 = regs->r12;
	to->rbp = regs->rbp;
	to->rbx = regs->rbx;
	to->r11 = regs->r11;
	to->r10 = regs->r10;
	to->r9 = regs->r9;
	to->r8 = regs->r8;
	to->rax = regs->rax;
	to->rcx = regs->rcx;
	to->rdx = regs->rdx;
	to->rsi = regs->rsi;
	to->rdi = regs->rdi;
	to->orig_rax = regs->rax;
	to->rip = regs->rip;
	to->eflags = regs->rflags;
	to->rsp = regs->rsp;
}

static void set_segments(struct user_regs_struct *to, const struct kvm_sregs *sregs)
{
	to->cs = sregs->cs.selector;
	to->ss = sregs->ss.selector;
	to->ds = sregs->ds.selector;
	to->es = sregs->es.selector;
	to->fs = sregs->fs.selector;
	to->gs = sregs->gs.selector;
	to->fs_base = sregs->fs.base;
	to->gs_base = sregs->gs.base;
}

/* What KVM does not tell is zero. */
static void make_note(struct note *note, const struct vcpu *vcpu)
{
	struct user_regs_struct user = {0};
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	memset(note, 0, sizeof(*note));
	note->head = (Elf64_Nhdr){sizeof("CORE"), sizeof(note->status), NT_PRSTATUS};
	memcpy(note->name, "CORE", sizeof("CORE"));
	note->status.pr_pid = (pid_t)vcpu->index + 1;
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) == 0)
		set_general(&user, &regs);
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) == 0)
		set_segments(&user, &sregs);
	memcpy(&note->status.pr_reg, &user, sizeof(note->status.pr_reg));
}

static int put_notes(struct core *core, const struct machine *machine, uint64_t at,
		     struct report *report)
{
	struct note note;

	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		make_note(&note, &machine->vcpus[i]);
		if (put(core, &note, sizeof(note), at + i * sizeof(note), report))
			return -1;
	}
	return 0;
}

/* --- memory ------------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* What is between pages of zeros, in as few writes as can be. */
static int put_chunk(struct core *core, const uint8_t *bytes, size_t len, uint64_t at,
		     struct report *report)
{
	for (size_t from = 0, to; from < len; from = to) {
		to = from + PAGE;
		if (is_zero(bytes + from, PAGE))
			continue;
		while (to < len && !is_zero(bytes + to, PAGE))
			to += PAGE;
		if (put(core, bytes + from, to - from, at + from, report))
			return -1;
	}
	return 0;
}

static int put_region(struct core *core, const struct gm_memory *memory,
		      const struct gm_region *region, uint64_t at, struct report *report)
{
	uint64_t size = gm_region_size(region);
	uint8_t *chunk = malloc(CHUNK);
	int err = chunk ? 0 : failed(core, ENOMEM, report);

	for (uint64_t done = 0; done < size && !err; done += CHUNK) {
		size_t len = size - done < CHUNK ? (size_t)(size - done) : CHUNK;

		/* A file that shrank has no more to tell. */
		if (gm_read_exact(memory, gm_region_start(region) + done, chunk, len, NULL))
			err = report_fail(
				report, REPORT_HOST,
				"--on-crash dump=%s: guest memory at %#llx cannot be read",
				core->path, (unsigned long long)(gm_region_start(region) + done));
		else
			err = put_chunk(core, chunk, len, at + done, report);
	}
	free(chunk);
	return err;
}

/* --- headers ------------------------------------------------------------------------------------ */

static Elf64_Ehdr file_header(size_t segments)
{
	return (Elf64_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)segments,
	};
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* The notes' header, then one a region: where each is in the file. Returns the file's size. */
static uint64_t lay_out(Elf64_Phdr *headers, const struct machine *machine,
			const struct gm_memory *memory)
{
	size_t count = gm_memory_count(memory);
	uint64_t notes = sizeof(Elf64_Ehdr) + (count + 1) * sizeof(*headers);
	uint64_t bytes = machine->vcpu_count * sizeof(struct note);
	uint64_t at = round_up(notes + bytes);

	headers[0] =
		(Elf64_Phdr){.p_type = PT_NOTE, .p_offset = notes, .p_filesz = bytes, .p_align = 4};
	for (size_t i = 0; i < count; i++) {
		const struct gm_region *region = gm_memory_region(memory, i);

		headers[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = gm_region_flags(region) & GM_REGION_READ_ONLY ? PF_R | PF_X
										 : PF_R | PF_W | PF_X,
			.p_offset = at,
			.p_vaddr = gm_region_start(region),
			.p_paddr = gm_region_start(region),
			.p_filesz = gm_region_size(region),
			.p_memsz = gm_region_size(region),
			.p_align = PAGE,
		};
		at += round_up(gm_region_size(region));
	}
	return at;
}

static int put_all(struct core *core, const struct machine *machine, const struct gm_memory *memory,
		   Elf64_Phdr *headers, struct report *report)
{
	size_t count = gm_memory_count(memory);
	Elf64_Ehdr head = file_header(count + 1);

	lay_out(headers, machine, memory);
	for (size_t i = 0; i < count; i++) {
		if (put_region(core, memory, gm_memory_region(memory, i), headers[i + 1].p_offset,
			       report))
			return -1;
	}
	if (put_notes(core, machine, headers[0].p_offset, report) ||
	    put(core, headers, (count + 1) * sizeof(*headers), sizeof(head), report))
		return -1;
	/* Last: a file without it is no core. */
	return put(core, &head, sizeof(head), 0, report);
}

/* What is not written later is a hole. */
static int set_size(struct core *core, const struct machine *machine, struct report *report)
{
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	Elf64_Phdr *headers = calloc(gm_memory_count(memory) + 1, sizeof(*headers));
	int err = 0;

	if (!headers || ftruncate(core->fd, (off_t)lay_out(headers, machine, memory)))
		err = failed(core, headers ? errno : ENOMEM, report);
	free(headers);
	gm_memory_put(memory);
	return err;
}

int core_open(struct core *core, const char *path, const struct machine *machine,
	      struct report *report)
{
	core->path = path;
	core->written = false;
	core->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (core->fd < 0)
		return report_fail(report, report_whose(errno), "--on-crash dump=%s: %s", path,
				   strerror(errno));
	confine_will_unlink(path);
	return set_size(core, machine, report);
}

int core_write(struct core *core, const struct machine *machine, struct report *report)
{
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	Elf64_Phdr *headers = calloc(gm_memory_count(memory) + 1, sizeof(*headers));
	int err = headers ? put_all(core, machine, memory, headers, report)
			  : failed(core, ENOMEM, report);

	free(headers);
	gm_memory_put(memory);
	core->written = !err;
	return err;
}

void core_close(struct core *core)
{
	if (core->fd < 0)
		return;
	close(core->fd);
	core->fd = -1;
	if (!core->written)
		unlink(core->path);
}
