/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the vCPU looked like when it could not go on, for whoever wrote the guest. */
#ifndef VMM_CRASH_H
#define VMM_CRASH_H

#include "vmm/vcpu.h"

/*
 * Print "vmm: vcpu N: @what" and below it registers and the bytes at RIP on standard error, in one
 * write. On the vCPU's thread, or while it does not run.
 */
void crash_report(const struct vcpu *vcpu, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
