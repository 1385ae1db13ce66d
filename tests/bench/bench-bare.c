/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The floor the monitor is measured against: the least a C program can do to run a flat 16-bit
 * guest on KVM. No irqchip, no CPUID, no bus, no device: port 0x3f8 goes to standard output, port
 * 0xf8 ends it, every other port is ignored.
 *
 *	build/bench-bare GUEST.bin MEGABYTES
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOAD_ADDRESS 0x1000

static void check(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(EXIT_FAILURE);
	}
}

static void load(const char *path, char *ram)
{
	int fd = open(path, O_RDONLY);

	check(fd, path);
	check(read(fd, ram + LOAD_ADDRESS, 0x10000), path);
	close(fd);
}

static void set_registers(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rflags = 2, .rsp = LOAD_ADDRESS};

	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = LOAD_ADDRESS;
	sregs.cs.selector = LOAD_ADDRESS >> 4;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

int main(int argc, char **argv)
{
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 0) << 20 : 128 << 20;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu, run_size;
	struct kvm_userspace_memory_region slot = {.memory_size = size};
	struct kvm_run *run;
	char *ram;

	check(kvm, "/dev/kvm");
	check(argc > 1 ? 0 : -1, "usage: bench-bare GUEST.bin [MEGABYTES]");
	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(ram == MAP_FAILED ? -1 : 0, "mmap");
	load(argv[1], ram);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	check(vm, "KVM_CREATE_VM");
	slot.userspace_addr = (uintptr_t)ram;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	check(vcpu, "KVM_CREATE_VCPU");
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	check(run_size, "KVM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	check(run == MAP_FAILED ? -1 : 0, "mmap");
	set_registers(vcpu);

	for (;;) {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "bench-bare: exit reason %u\n", run->exit_reason);
			return EXIT_FAILURE;
		}
		if (run->io.port == 0xf8)
			return *((unsigned char *)run + run->io.data_offset);
		if (run->io.port == 0x3f8 && run->io.direction == KVM_EXIT_IO_OUT)
			check(write(1, (char *)run + run->io.data_offset, run->io.size), "write");
	}
}
