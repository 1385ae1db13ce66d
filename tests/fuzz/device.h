/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Every device type with a host side that can answer and does no harm, for the targets that drive
 * devices. The device is chosen by a byte of the input: an index into device_types[].
 */
#ifndef TESTS_FUZZ_DEVICE_H
#define TESTS_FUZZ_DEVICE_H

#include "devices/devices.h"
#include "tests/fuzz/fuzz.h"

/* A device of the type that @which says, or NULL. */
struct virtio_device *fuzz_device_new(unsigned int which, struct loop *loop);

/* Something happens at its host side: input, a client, a frame, a truncated disk. */
void fuzz_device_event(struct virtio_device *device, struct fuzz_input *input);

/* After the device was freed: what of its host side is open. */
void fuzz_device_end(void);

#endif
