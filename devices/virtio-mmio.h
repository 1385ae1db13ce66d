/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2, section 4.2): one virtio device behind one
 * page of registers.
 *
 * Register accesses come from vCPU threads; queue notifications come from the loop's thread through
 * eventfds, or from a vCPU thread as a plain register write where no eventfd is attached. The
 * device's lock orders them.
 */
#ifndef DEVICES_VIRTIO_MMIO_H
#define DEVICES_VIRTIO_MMIO_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/loop.h"
#include "devices/report.h"
#include "devices/virtio-notify.h"
#include "devices/virtio.h"
#include "guestmem/guestmem.h"

#define VIRTIO_MMIO_SIZE 0x1000

struct virtio_mmio;

extern const struct bus_ops virtio_mmio_bus_ops; /* device: struct virtio_mmio */

/*
 * Put @device (owned by the transport from here on, also on failure) behind a register page. The
 * cell, loop, irq and notify lines are borrowed and must outlive it. @notify may be NULL; its
 * offsets count from the page's beginning.
 */
int virtio_mmio_new(struct virtio_device *device, struct gm_cell *memory, struct loop *loop,
		    struct irq_line *irq, struct notify_line *notify, struct virtio_mmio **out,
		    struct report *report);

/* No vCPU and no loop may be running. Frees the device too. */
void virtio_mmio_free(struct virtio_mmio *mmio);

#endif
