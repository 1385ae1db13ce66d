/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * USDT probes: places that a tracer (bpftrace, perf, SystemTap, gdb) can stop at in a running
 * monitor without a debugger's symbols. Each is one nop and a note in the file, in which the tracer
 * reads where the arguments are; without sys/sdt.h at build time they are nothing. Provider "vmm".
 *
 *	queue_notify	device, queue, count		the driver rang so often since last time
 *	request_taken	device, queue, head, readable, writable
 *							a chain of so many bytes each way was taken
 *	request_done	device, queue, head, written	and is given back
 *	interrupt	device, cause, queue		cause 1: the queue's; 2: configuration
 *	vcpu_exit	vcpu, reason			KVM_RUN returned, KVM_EXIT_... as a number
 *	vcpu_enter	vcpu				KVM_RUN is about to be called
 *
 * "device" is the address of its name, "disk image.raw". A request is the same from taken to done
 *by device, queue and head. Arguments are values that are at hand anyway: nothing may be computed
 *for them.
 */
#ifndef DEVICES_PROBES_H
#define DEVICES_PROBES_H

#ifdef HAVE_SDT
#include <sys/sdt.h>
#define PROBE1(name, a)             DTRACE_PROBE1(vmm, name, a)
#define PROBE2(name, a, b)          DTRACE_PROBE2(vmm, name, a, b)
#define PROBE3(name, a, b, c)       DTRACE_PROBE3(vmm, name, a, b, c)
#define PROBE4(name, a, b, c, d)    DTRACE_PROBE4(vmm, name, a, b, c, d)
#define PROBE5(name, a, b, c, d, e) DTRACE_PROBE5(vmm, name, a, b, c, d, e)
#else
#define PROBE1(name, a)             ((void)(a))
#define PROBE2(name, a, b)          ((void)(a), (void)(b))
#define PROBE3(name, a, b, c)       ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d)    ((void)(a), (void)(b), (void)(c), (void)(d))
#define PROBE5(name, a, b, c, d, e) ((void)(a), (void)(b), (void)(c), (void)(d), (void)(e))
#endif

#define PROBE_QUEUE_NOTIFY(device, queue, count) PROBE3(queue_notify, device, queue, count)
#define PROBE_REQUEST_TAKEN(device, queue, head, readable, writable) \
	PROBE5(request_taken, device, queue, head, readable, writable)
#define PROBE_REQUEST_DONE(device, queue, head, written) \
	PROBE4(request_done, device, queue, head, written)
#define PROBE_INTERRUPT(device, cause, queue) PROBE3(interrupt, device, cause, queue)
#define PROBE_VCPU_EXIT(vcpu, reason)         PROBE2(vcpu_exit, vcpu, reason)
#define PROBE_VCPU_ENTER(vcpu)                PROBE1(vcpu_enter, vcpu)

#endif
