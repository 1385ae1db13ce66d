/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The keyboard controller of a PC, without keyboard: what is left is that kernels probe it and
 * reset the machine through it (command 0xfe, or the output port's bit 0).
 */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include <pthread.h>

#include "devices/bus.h"

#define I8042_DATA_PORT    0x60
#define I8042_COMMAND_PORT 0x64

/* reset and arg are constant after set-up, the rest is touched with the lock held. */
struct i8042 {
	void (*reset)(void *arg); /* any vCPU thread */
	void *arg;
	pthread_mutex_t lock;
	uint8_t config;  /* the command byte */
	uint8_t output;  /* what the data port reads */
	bool full;       /* the output has not been read */
	uint8_t command; /* waits for its data byte; 0: none */
};

/* Neither fails: the device is the caller's storage. */
void i8042_init(struct i8042 *i8042, void (*reset)(void *arg), void *arg);

/* As after power-on. Any thread. */
void i8042_reset(struct i8042 *i8042);

extern const struct bus_ops i8042_data_bus_ops;    /* device: struct i8042, one byte */
extern const struct bus_ops i8042_command_bus_ops; /* device: struct i8042, one byte */

#endif
