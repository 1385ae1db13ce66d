/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Message signalled interrupts, as a PCI function sees them: a write of 32 bits to an address the
 * guest chose. Who made the sink knows what is there (the local APICs in the monitor, a list in a
 * test); a message to anywhere else is lost, whatever it says.
 */
#ifndef DEVICES_MSI_H
#define DEVICES_MSI_H

#include <stdint.h>

struct msi_sink {
	void (*send)(struct msi_sink *sink, uint64_t address, uint32_t data); /* any thread */
};

#endif
