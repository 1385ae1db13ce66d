/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Every system call that some thread makes once the guest runs, for which roles, with which
 * arguments, and why. A call that is not here ends the process. jail-filter.c makes programs for
 *the kernel of this; the table of docs/jail.md is compared with it by a test.
 *
 *	ALLOW(call, what of it, roles, condition on an argument, reason)
 *	REFUSE(call, error number it returns, roles, reason)
 *
 * Rows of one call stand together and are tried in their order: KVM_RUN is the only one whose cost matters.
 */
#ifndef VMM_JAIL_TABLE_H
#define VMM_JAIL_TABLE_H

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vmm/jail.h"

#define VCPU  (1U << JAIL_VCPU)
#define VSOCK (1U << JAIL_LOOP_VSOCK)
#define LOOP  (1U << JAIL_LOOP | VSOCK)
#define IO    (1U << JAIL_IO)
#define NET   (1U << JAIL_NET)
#define GUEST (VCPU | LOOP) /* what a register access causes, whichever thread it is caused in */
#define ALL   (GUEST | IO | NET)

/* A thread of this process and nothing else of its own. */
#define THREAD_BITS                                                                              \
	(CLONE_VM | CLONE_THREAD | CLONE_PTRACE | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* clang-format off */
#define JAIL_TABLE \
ALLOW(ioctl, "KVM_RUN", GUEST, IS(1, KVM_RUN), "run the guest") \
ALLOW(ioctl, "KVM_SIGNAL_MSI", GUEST, IS(1, KVM_SIGNAL_MSI), "interrupts of PCI devices") \
ALLOW(ioctl, "KVM_IRQFD", GUEST, IS(1, KVM_IRQFD), "the guest masks or unmasks a pin of the IOAPIC") \
ALLOW(ioctl, "KVM_SET_GSI_ROUTING", GUEST, IS(1, KVM_SET_GSI_ROUTING), "the guest writes a pin of the IOAPIC") \
ALLOW(ioctl, "KVM_IOEVENTFD", GUEST, IS(1, KVM_IOEVENTFD), "a driver gets ready, or resets its device") \
ALLOW(ioctl, "KVM_GET_REGS", GUEST, IS(1, KVM_GET_REGS), "what a guest that crashed leaves") \
ALLOW(ioctl, "KVM_GET_SREGS", GUEST, IS(1, KVM_GET_SREGS), "likewise; a restart, too") \
ALLOW(ioctl, "KVM_KVMCLOCK_CTRL", LOOP, IS(1, KVM_KVMCLOCK_CTRL), "the guest stood still: its watchdogs are to keep quiet") \
ALLOW(ioctl, "KVM_TRANSLATE", GUEST, IS(1, KVM_TRANSLATE), "the bytes at the instruction pointer of a guest that crashed") \
ALLOW(ioctl, "KVM_SET_GUEST_DEBUG", LOOP, IS(1, KVM_SET_GUEST_DEBUG), "a debugger: breakpoints and steps") \
ALLOW(ioctl, "KVM_GET_FPU", LOOP, IS(1, KVM_GET_FPU), "a debugger: registers") \
ALLOW(ioctl, "KVM_SET_FPU", LOOP, IS(1, KVM_SET_FPU), "a debugger: registers") \
ALLOW(ioctl, "KVM_GET_MSRS", LOOP, IS(1, KVM_GET_MSRS), "a debugger: registers") \
ALLOW(ioctl, "KVM_GET_MP_STATE", LOOP, IS(1, KVM_GET_MP_STATE), "a debugger: which vCPUs run") \
ALLOW(ioctl, "KVM_CREATE_VM", LOOP, IS(1, KVM_CREATE_VM), "the guest restarts: the VM is made anew") \
ALLOW(ioctl, "KVM_CREATE_VCPU", LOOP, IS(1, KVM_CREATE_VCPU), "restart") \
ALLOW(ioctl, "KVM_SET_USER_MEMORY_REGION", LOOP, IS(1, KVM_SET_USER_MEMORY_REGION), "restart") \
ALLOW(ioctl, "KVM_ENABLE_CAP", LOOP, IS(1, KVM_ENABLE_CAP), "restart: interrupt controllers") \
ALLOW(ioctl, "KVM_SET_IDENTITY_MAP_ADDR", LOOP, IS(1, KVM_SET_IDENTITY_MAP_ADDR), "restart") \
ALLOW(ioctl, "KVM_SET_TSS_ADDR", LOOP, IS(1, KVM_SET_TSS_ADDR), "restart") \
ALLOW(ioctl, "KVM_CHECK_EXTENSION", LOOP, IS(1, KVM_CHECK_EXTENSION), "restart: which CPUID leaves to set") \
ALLOW(ioctl, "KVM_GET_SUPPORTED_CPUID", LOOP, IS(1, KVM_GET_SUPPORTED_CPUID), "restart") \
ALLOW(ioctl, "KVM_SET_CPUID2", LOOP, IS(1, KVM_SET_CPUID2), "restart") \
ALLOW(ioctl, "KVM_SET_MSRS", LOOP, IS(1, KVM_SET_MSRS), "restart") \
ALLOW(ioctl, "KVM_SET_SREGS", LOOP, IS(1, KVM_SET_SREGS), "restart") \
ALLOW(ioctl, "KVM_SET_REGS", LOOP, IS(1, KVM_SET_REGS), "restart") \
ALLOW(ioctl, "TUNSETQUEUE", GUEST, IS(1, TUNSETQUEUE), "a driver wants more queues of a TAP interface, or fewer") \
ALLOW(ioctl, "TUNSETOFFLOAD", GUEST, IS(1, TUNSETOFFLOAD), "a driver says which packets it takes") \
ALLOW(ioctl, "TUNGETIFF", LOOP, IS(1, TUNGETIFF), "whether a TAP interface has gone") \
ALLOW(ioctl, "SIOCGIFNAME", LOOP, IS(1, SIOCGIFNAME), "the name a TAP interface has now") \
ALLOW(ioctl, "SIOCGIFFLAGS", LOOP, IS(1, SIOCGIFFLAGS), "whether a TAP interface is up") \
ALLOW(ioctl, "BLKGETSIZE64", LOOP, IS(1, 0x80081272), "a disk changed its size") \
ALLOW(ioctl, "TIOCGWINSZ", GUEST, IS(1, TIOCGWINSZ), "a console's size") \
ALLOW(ioctl, "TIOCGPGRP", LOOP, IS(1, TIOCGPGRP), "whether the terminal is ours after a SIGCONT") \
ALLOW(ioctl, "TCSETS", ALL, IS(1, TCSETS), "the terminal is put back, whichever thread ends the process") \
ALLOW(ioctl, "TCGETS", ALL, IS(1, TCGETS), "likewise: the C library looks at what it set") \
ALLOW(ioctl, "FIONREAD", NET, IS(1, FIONREAD), "how much a socket has") \
ALLOW(ioctl, "FIONBIO", NET, IS(1, FIONBIO), "sockets that do not block") \
ALLOW(write, "", ALL, ALWAYS, "eventfds (interrupts, wake-ups), consoles, lines on standard error") \
ALLOW(read, "", ALL, ALWAYS, "eventfds, timers, consoles") \
ALLOW(futex, "", ALL, ALWAYS, "locks, and the end of a thread") \
ALLOW(readv, "", GUEST | NET, ALWAYS, "frames of a TAP interface, console input, sockets") \
ALLOW(writev, "", ALL, ALWAYS, "frames, console output, a message of the C library as it aborts") \
ALLOW(io_uring_enter, "", GUEST, ALWAYS, "disk requests; a reset waits for those that are under way") \
ALLOW(epoll_wait, "", LOOP, ALWAYS, "the event loop") \
ALLOW(epoll_pwait, "", LOOP, ALWAYS, "likewise, for some C libraries") \
ALLOW(epoll_ctl, "", GUEST, ALWAYS, "a descriptor is watched, or not any more") \
ALLOW(poll, "", GUEST | NET, ALWAYS, "whether a console has a reader; the sockets of user-mode networking") \
ALLOW(ppoll, "", GUEST | NET, ALWAYS, "likewise") \
ALLOW(preadv, "", GUEST | IO, ALWAYS, "disk requests; a restart reads the kernel") \
ALLOW(preadv2, "", GUEST | IO, ALWAYS, "likewise") \
ALLOW(pread64, "", GUEST | IO, ALWAYS, "likewise") \
ALLOW(pwritev, "", GUEST | IO, ALWAYS, "disk requests") \
ALLOW(pwritev2, "", GUEST | IO, ALWAYS, "likewise") \
ALLOW(pwrite64, "", GUEST | IO, ALWAYS, "likewise") \
ALLOW(fdatasync, "", GUEST | IO, ALWAYS, "disk requests; a write cache is switched off") \
ALLOW(fallocate, "", GUEST | IO, ALWAYS, "discarded sectors; memory given back by the balloon") \
ALLOW(lseek, "", GUEST | NET, ALWAYS, "files that are read again from their beginning") \
ALLOW(sendmsg, "", GUEST | NET, ALWAYS, "console output, frames") \
ALLOW(recvmsg, "", GUEST | NET, ALWAYS, "frames") \
ALLOW(sendto, "", GUEST | NET, ALWAYS, "vsock streams, sockets") \
ALLOW(recvfrom, "", GUEST | NET, ALWAYS, "vsock streams, sockets, news of interfaces") \
ALLOW(shutdown, "", GUEST | NET, ALWAYS, "one direction of a stream ends") \
ALLOW(accept4, "", LOOP | NET, ALWAYS, "somebody connects to a console, a vsock device, a forwarded port") \
ALLOW(accept, "", NET, ALWAYS, "a forwarded port") \
ALLOW(socket, "AF_UNIX", VSOCK, IS(0, AF_UNIX), "the guest connects to a port of the host") \
ALLOW(socket, "AF_INET", NET, IS(0, AF_INET), "the guest's connections") \
ALLOW(socket, "AF_INET6", NET, IS(0, AF_INET6), "the guest's connections") \
ALLOW(connect, "", VSOCK | NET, ALWAYS, "likewise") \
ALLOW(bind, "", NET, ALWAYS, "the guest's datagrams") \
ALLOW(listen, "", NET, ALWAYS, "connections from outside that a protocol announces") \
ALLOW(getsockname, "", NET, ALWAYS, "which port a socket got") \
ALLOW(getpeername, "", NET, ALWAYS, "who connected") \
ALLOW(getsockopt, "", GUEST | NET, ALWAYS, "whether a connection came about") \
ALLOW(setsockopt, "", NET, ALWAYS, "sockets as the guest's packets want them") \
ALLOW(eventfd2, "", GUEST, ALWAYS, "a driver gets ready: its queues' notifications") \
ALLOW(timerfd_settime, "", GUEST, ALWAYS, "limits of devices: so much a second") \
ALLOW(close, "", ALL, ALWAYS, "what is not needed any more") \
ALLOW(fcntl, "F_DUPFD_CLOEXEC", GUEST, IS(1, F_DUPFD_CLOEXEC), "a descriptor that is watched twice; the kernel's file on a restart") \
ALLOW(fcntl, "F_GETFL", LOOP | NET, IS(1, F_GETFL), "whether it blocks") \
ALLOW(fcntl, "F_SETFL", LOOP | NET, IS(1, F_SETFL), "that it does not block; the caller's standard input as it was") \
ALLOW(fcntl, "F_GETFD", NET, IS(1, F_GETFD), "sockets that are not for other programs") \
ALLOW(fcntl, "F_SETFD", NET, IS(1, F_SETFD), "likewise") \
ALLOW(fcntl, "F_OFD_SETLK", LOOP, IS(1, F_OFD_SETLK), "a disk's lock is given back") \
ALLOW(newfstatat, "", LOOP | NET, ALWAYS, "a descriptor's kind and size; whether a path is still what was made there; whether the name servers changed") \
ALLOW(ftruncate, "", LOOP, ALWAYS, "the file of --junit, before it is written at the end; those of --stats and of consoles, as the guest begins") \
ALLOW(unlink, "", LOOP, ALWAYS, "sockets, links and FIFOs that devices made; Landlock has their directories and no other") \
ALLOW(openat, "to read", NET, BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY), "the name servers; Landlock has their file and no other") \
ALLOW(sysinfo, "", LOOP, ALWAYS, "qsort(3) asks how much memory there is; pages of the balloon are sorted") \
ALLOW(getrandom, "", GUEST | NET, ALWAYS, "the entropy device") \
ALLOW(mmap, "not executable", ALL, BITS(2, PROT_EXEC, 0), "memory; a vCPU's shared page, a thread's stack") \
ALLOW(munmap, "", ALL, ALWAYS, "likewise") \
ALLOW(mprotect, "not executable", ALL, BITS(2, PROT_EXEC, 0), "likewise: memory is reserved first") \
ALLOW(mremap, "", ALL, ALWAYS, "memory that grows") \
ALLOW(madvise, "", ALL, ALWAYS, "memory is given back: the balloon's, a restarted guest's, a thread's") \
ALLOW(brk, "", ALL, ALWAYS, "memory") \
ALLOW(membarrier, "", GUEST, ALWAYS, "who reads the bitmap of dirty pages orders those who write it") \
ALLOW(clone, "a thread", LOOP, BITS(0, THREAD_BITS, CLONE_VM | CLONE_THREAD), "vCPUs of a guest that starts or restarts") \
REFUSE(clone3, ENOSYS, LOOP, "its flags cannot be seen by a filter; the C library then takes clone") \
ALLOW(seccomp, "SECCOMP_SET_MODE_FILTER", LOOP, IS(0, SECCOMP_SET_MODE_FILTER), "vCPU threads take more away") \
ALLOW(set_robust_list, "", LOOP, ALWAYS, "a thread begins") \
ALLOW(rseq, "", LOOP, ALWAYS, "a thread begins") \
ALLOW(prctl, "PR_SET_NAME", LOOP, IS(0, 15), "a thread has a name") \
ALLOW(sched_getaffinity, "", ALL, ALWAYS, "the C library counts processors before it makes another heap") \
ALLOW(sched_yield, "", ALL, ALWAYS, "a lock that is held for moments") \
ALLOW(clock_gettime, "", ALL, ALWAYS, "time, where the kernel has no faster way") \
ALLOW(gettimeofday, "", ALL, ALWAYS, "likewise") \
ALLOW(time, "", ALL, ALWAYS, "likewise") \
ALLOW(clock_nanosleep, "", ALL, ALWAYS, "a wait for a disk request that cannot be submitted yet") \
ALLOW(nanosleep, "", ALL, ALWAYS, "likewise") \
ALLOW(restart_syscall, "", ALL, ALWAYS, "a wait goes on after a stop") \
ALLOW(rt_sigaction, "", ALL, ALWAYS, "a signal that ends the process has its default action again") \
ALLOW(rt_sigprocmask, "", ALL, ALWAYS, "signals are for the main thread; threads begin") \
ALLOW(rt_sigreturn, "", ALL, ALWAYS, "a signal handler returns") \
ALLOW(tgkill, "this process", ALL, IS_SELF(0), "a vCPU is to leave; the process dies of a signal it caught") \
ALLOW(getpid, "", ALL, ALWAYS, "likewise") \
ALLOW(gettid, "", ALL, ALWAYS, "likewise") \
ALLOW(getpgrp, "", LOOP, ALWAYS, "whether the terminal is ours after a SIGCONT") \
ALLOW(exit, "", ALL, ALWAYS, "a thread ends") \
ALLOW(exit_group, "", ALL, ALWAYS, "the process ends")
/* clang-format on */

#endif
