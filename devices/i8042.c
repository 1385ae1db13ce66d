/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The keyboard controller's command interface. Nothing is plugged in: bytes for a keyboard or mouse
 * vanish and are never acknowledged, which drivers take as absence.
 */
#include "devices/i8042.h"

#define STATUS_OUTPUT_FULL 0x01
#define STATUS_SYSTEM      0x04 /* the self test passed */
#define STATUS_UNLOCKED    0x10

#define CONFIG_SYSTEM         0x04
#define CONFIG_KBD_DISABLED   0x10
#define CONFIG_MOUSE_DISABLED 0x20

enum command {
	READ_CONFIG = 0x20,
	WRITE_CONFIG = 0x60,
	SELF_TEST = 0xaa,
	KBD_TEST = 0xab,
	READ_OUTPUT = 0xd0,
	WRITE_OUTPUT = 0xd1,
	PULSE_RESET = 0xfe,
};

#define SELF_TEST_PASSED  0x55
#define KBD_TEST_NO_CLOCK 0x01 /* the clock line is stuck: nothing is plugged in */
#define OUTPUT_RUN        0x01 /* the processor's reset line, active low */

void i8042_init(struct i8042 *i8042, void (*reset)(void *arg), void *arg)
{
	*i8042 = (struct i8042){
		.reset = reset,
		.arg = arg,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.config = CONFIG_SYSTEM | CONFIG_KBD_DISABLED | CONFIG_MOUSE_DISABLED,
	};
}

void i8042_reset(struct i8042 *i8042)
{
	pthread_mutex_lock(&i8042->lock);
	i8042->config = CONFIG_SYSTEM | CONFIG_KBD_DISABLED | CONFIG_MOUSE_DISABLED;
	i8042->output = 0;
	i8042->full = false;
	i8042->command = 0;
	pthread_mutex_unlock(&i8042->lock);
}

static void answer(struct i8042 *i8042, uint8_t value)
{
	i8042->output = value;
	i8042->full = true;
}

static void data_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct i8042 *i8042 = device;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&i8042->lock);
	*(uint8_t *)data = i8042->output;
	i8042->full = false;
	pthread_mutex_unlock(&i8042->lock);
}

static void data_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct i8042 *i8042 = device;
	uint8_t value = *(const uint8_t *)data;
	bool reset = false;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&i8042->lock);
	if (i8042->command == WRITE_CONFIG)
		i8042->config = value;
	else if (i8042->command == WRITE_OUTPUT)
		reset = !(value & OUTPUT_RUN);
	i8042->command = 0;
	pthread_mutex_unlock(&i8042->lock);
	if (reset)
		i8042->reset(i8042->arg);
}

static void command_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct i8042 *i8042 = device;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&i8042->lock);
	*(uint8_t *)data = STATUS_SYSTEM | STATUS_UNLOCKED | (i8042->full ? STATUS_OUTPUT_FULL : 0);
	pthread_mutex_unlock(&i8042->lock);
}

static void command_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct i8042 *i8042 = device;
	uint8_t value = *(const uint8_t *)data;

	(void)offset;
	(void)len;
	pthread_mutex_lock(&i8042->lock);
	i8042->command = 0;
	switch (value) {
	case READ_CONFIG: answer(i8042, i8042->config); break;
	case READ_OUTPUT: answer(i8042, OUTPUT_RUN); break;
	case SELF_TEST: answer(i8042, SELF_TEST_PASSED); break;
	case KBD_TEST: answer(i8042, KBD_TEST_NO_CLOCK); break;
	case WRITE_CONFIG:
	case WRITE_OUTPUT: i8042->command = value; break;
	default: break;
	}
	pthread_mutex_unlock(&i8042->lock);
	if (value == PULSE_RESET)
		i8042->reset(i8042->arg);
}

const struct bus_ops i8042_data_bus_ops = {
	.read = data_read,
	.write = data_write,
};

const struct bus_ops i8042_command_bus_ops = {
	.read = command_read,
	.write = command_write,
};
