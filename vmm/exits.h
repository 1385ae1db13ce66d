/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What each return from KVM_RUN means. Both run on the vCPU's thread. */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "vmm/vcpu.h"

/* Handle the exit in vcpu->run. False if the vCPU is not to run again. */
bool exits_handle(struct vcpu *vcpu);

/* The same where KVM_RUN failed with @err. */
bool exits_failed(struct vcpu *vcpu, int err);

#endif
