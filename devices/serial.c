/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The 16550A UART, as its data sheet has it: two FIFOs of 16 bytes, four interrupt sources by
 * priority, loopback. The transmitter is infinitely fast: a byte written is a byte sent, unless the
 * other end is slow, and then it waits in the FIFO like in the chip.
 *
 * The interrupt line is edge triggered here: it is pulsed whenever a source that is enabled becomes
 * pending, and again when one that was hidden by a higher one is uncovered by reading it away.
 */
#include "devices/serial.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIFO_SIZE 16

enum reg { THR_RBR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_RDA  0x01 /* received data available */
#define IER_THRE 0x02 /* transmitter holding register empty */
#define IER_RLS  0x04 /* receiver line status */
#define IER_MSI  0x08 /* modem status */
#define IER_MASK 0x0f

#define IIR_NONE    0x01
#define IIR_MSI     0x00
#define IIR_THRE    0x02
#define IIR_RDA     0x04
#define IIR_RLS     0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS   0xc0

#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04

#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08 /* on a PC it gates the interrupt line */
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DATA    0x01
#define LSR_OVERRUN 0x02
#define LSR_THRE    0x20
#define LSR_IDLE    0x40

#define MSR_DELTA_CTS 0x01
#define MSR_DELTA_DSR 0x02
#define MSR_RING_END  0x04
#define MSR_DELTA_DCD 0x08
#define MSR_CTS       0x10
#define MSR_DSR       0x20
#define MSR_RI        0x40
#define MSR_DCD       0x80

struct fifo {
	uint8_t bytes[FIFO_SIZE];
	unsigned int head;
	unsigned int count;
};

/* All under the lock; registers by vCPU threads, the receive side by the loop's thread too. */
struct serial {
	pthread_mutex_t lock;
	struct chardev *chardev;
	struct irq_line *irq;
	struct fifo rx, tx;
	uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
	uint16_t divisor;
	bool thre_pending; /* set when the transmitter empties, cleared by reading IIR */
	uint8_t signalled; /* the IIR the line was last pulsed for */
};

static void fifo_put(struct fifo *fifo, uint8_t byte)
{
	fifo->bytes[(fifo->head + fifo->count++) % FIFO_SIZE] = byte;
}

static uint8_t fifo_get(struct fifo *fifo)
{
	uint8_t byte = fifo->bytes[fifo->head];

	fifo->head = (fifo->head + 1) % FIFO_SIZE;
	fifo->count--;
	return byte;
}

/* Without FIFOs there is one byte each way. */
static unsigned int depth(const struct serial *serial)
{
	return serial->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned int rx_trigger(const struct serial *serial)
{
	static const uint8_t triggers[] = {1, 4, 8, 14};

	return serial->fcr & FCR_ENABLE ? triggers[serial->fcr >> 6] : 1;
}

/* The pending source of the highest priority. */
static uint8_t pending(const struct serial *serial)
{
	if ((serial->ier & IER_RLS) && (serial->lsr & LSR_OVERRUN))
		return IIR_RLS;
	if ((serial->ier & IER_RDA) && serial->rx.count >= rx_trigger(serial))
		return IIR_RDA;
	/* Fewer bytes than the trigger: nothing more comes for now, which is the time-out. */
	if ((serial->ier & IER_RDA) && serial->rx.count)
		return IIR_TIMEOUT;
	if ((serial->ier & IER_THRE) && serial->thre_pending)
		return IIR_THRE;
	if ((serial->ier & IER_MSI) && (serial->msr & 0x0f))
		return IIR_MSI;
	return IIR_NONE;
}

/* Pulse the line if what is pending is not what it was pulsed for. @again: even then. */
static void update_irq(struct serial *serial, bool again)
{
	uint8_t now = pending(serial);
	bool fresh = now != serial->signalled || again;

	serial->signalled = now;
	if (now != IIR_NONE && fresh)
		irq_pulse(serial->irq);
}

/* Send what the FIFO holds; the chardev calls back if the other end is slow. */
static void transmit(struct serial *serial)
{
	while (serial->tx.count) {
		uint8_t chunk[FIFO_SIZE];
		ssize_t n;

		for (unsigned int i = 0; i < serial->tx.count; i++)
			chunk[i] = serial->tx.bytes[(serial->tx.head + i) % FIFO_SIZE];
		n = chardev_write(serial->chardev, chunk, serial->tx.count);
		if (n == 0)
			break;
		/* Nobody there any more: the line is open, bytes vanish. */
		if (n < 0)
			n = (ssize_t)serial->tx.count;
		chardev_printed(serial->chardev, chunk, (size_t)n);
		serial->tx.head = (serial->tx.head + (unsigned int)n) % FIFO_SIZE;
		serial->tx.count -= (unsigned int)n;
	}
	if (serial->tx.count == 0) {
		serial->lsr |= LSR_THRE | LSR_IDLE;
		serial->thre_pending = true;
	}
}

static void receive_byte(struct serial *serial, uint8_t byte)
{
	if (serial->rx.count == depth(serial)) {
		serial->lsr |= LSR_OVERRUN;
		return;
	}
	fifo_put(&serial->rx, byte);
	serial->lsr |= LSR_DATA;
}

static void write_thr(struct serial *serial, uint8_t byte)
{
	if (serial->mcr & MCR_LOOP) {
		receive_byte(serial, byte);
		serial->thre_pending = true;
		update_irq(serial, true);
		return;
	}
	/* A driver that does not wait for THRE loses the byte, as with the chip. */
	if (serial->tx.count < depth(serial))
		fifo_put(&serial->tx, byte);
	serial->lsr &= (uint8_t) ~(LSR_THRE | LSR_IDLE);
	serial->thre_pending = false;
	transmit(serial);
	/* Each time the transmitter empties is an event of its own. */
	update_irq(serial, serial->thre_pending);
}

static void clear_rx(struct serial *serial)
{
	serial->rx.count = 0;
	serial->lsr &= (uint8_t)~LSR_DATA;
}

static void write_fcr(struct serial *serial, uint8_t value)
{
	/* Switching the FIFOs on or off empties them. */
	if ((value ^ serial->fcr) & FCR_ENABLE)
		value |= FCR_CLEAR_RX | FCR_CLEAR_TX;
	if (value & FCR_CLEAR_RX)
		clear_rx(serial);
	if ((value & FCR_CLEAR_TX) && serial->tx.count) {
		serial->tx.count = 0;
		serial->lsr |= LSR_THRE | LSR_IDLE;
		serial->thre_pending = true;
	}
	serial->fcr = value & (FCR_ENABLE | 0xc0);
}

/* In loopback the modem outputs are wired to the inputs; else the other end is always there. */
static void update_msr(struct serial *serial)
{
	uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD, changed;

	if (serial->mcr & MCR_LOOP)
		lines = (uint8_t)((serial->mcr & MCR_RTS ? MSR_CTS : 0) |
				  (serial->mcr & MCR_DTR ? MSR_DSR : 0) |
				  (serial->mcr & MCR_OUT1 ? MSR_RI : 0) |
				  (serial->mcr & MCR_OUT2 ? MSR_DCD : 0));
	changed = lines ^ (serial->msr & 0xf0);
	if (changed & MSR_CTS)
		serial->msr |= MSR_DELTA_CTS;
	if (changed & MSR_DSR)
		serial->msr |= MSR_DELTA_DSR;
	if ((changed & MSR_RI) && !(lines & MSR_RI))
		serial->msr |= MSR_RING_END;
	if (changed & MSR_DCD)
		serial->msr |= MSR_DELTA_DCD;
	serial->msr = (serial->msr & 0x0f) | lines;
}

static void write_register(struct serial *serial, enum reg reg, uint8_t value)
{
	switch (reg) {
	case THR_RBR: write_thr(serial, value); return;
	case IER:
		/* Enabling THRE while the transmitter is empty is an event. */
		if ((value & ~serial->ier & IER_THRE) && (serial->lsr & LSR_THRE))
			serial->thre_pending = true;
		serial->ier = value & IER_MASK;
		break;
	case IIR_FCR: write_fcr(serial, value); break;
	case LCR: serial->lcr = value; break;
	case MCR:
		serial->mcr = value & MCR_MASK;
		update_msr(serial);
		break;
	case SCR: serial->scr = value; break;
	case LSR:
	case MSR: break; /* read-only */
	}
	update_irq(serial, false);
}

static uint8_t read_rbr(struct serial *serial)
{
	uint8_t byte = serial->rx.count ? fifo_get(&serial->rx) : 0;

	if (serial->rx.count == 0)
		serial->lsr &= (uint8_t)~LSR_DATA;
	return byte;
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t now = pending(serial);

	/* Reading it acknowledges THRE, and only if THRE is what is read. */
	if (now == IIR_THRE)
		serial->thre_pending = false;
	return (uint8_t)(now | (serial->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

static uint8_t read_register(struct serial *serial, enum reg reg)
{
	uint8_t value = 0;

	switch (reg) {
	case THR_RBR: value = read_rbr(serial); break;
	case IER: return serial->ier;
	case IIR_FCR: value = read_iir(serial); break;
	case LCR: return serial->lcr;
	case MCR: return serial->mcr;
	case LSR:
		value = serial->lsr;
		serial->lsr &= (uint8_t)~LSR_OVERRUN;
		break;
	case MSR:
		value = serial->msr;
		serial->msr &= 0xf0;
		break;
	case SCR: return serial->scr;
	}
	/* What was read away may uncover another source, for which there was no edge. */
	update_irq(serial, false);
	return value;
}

static bool divisor_selected(const struct serial *serial, uint64_t offset)
{
	return (serial->lcr & LCR_DLAB) && offset <= IER;
}

static void serial_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct serial *serial = device;
	bool resume;

	memset(data, 0xff, len);
	if (len != 1)
		return;
	pthread_mutex_lock(&serial->lock);
	if (divisor_selected(serial, offset))
		*(uint8_t *)data = (uint8_t)(serial->divisor >> (offset == IER ? 8 : 0));
	else
		*(uint8_t *)data = read_register(serial, (enum reg)offset);
	resume = offset == THR_RBR && serial->rx.count < depth(serial);
	pthread_mutex_unlock(&serial->lock);
	if (resume)
		chardev_resume(serial->chardev);
}

static void serial_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct serial *serial = device;
	uint8_t value = *(const uint8_t *)data;

	if (len != 1)
		return;
	pthread_mutex_lock(&serial->lock);
	if (!divisor_selected(serial, offset))
		write_register(serial, (enum reg)offset, value);
	else if (offset == IER)
		serial->divisor = (uint16_t)((serial->divisor & 0x00ff) | value << 8);
	else
		serial->divisor = (uint16_t)((serial->divisor & 0xff00) | value);
	pthread_mutex_unlock(&serial->lock);
	/* These can make room: the FIFO emptied, the loop opened. */
	if (offset == IIR_FCR || offset == MCR)
		chardev_resume(serial->chardev);
}

const struct bus_ops serial_bus_ops = {
	.read = serial_read,
	.write = serial_write,
};

static size_t room(void *arg)
{
	struct serial *serial = arg;
	size_t n = 0;

	pthread_mutex_lock(&serial->lock);
	/* In loopback the receiver is cut off from the line: input waits. */
	if (!(serial->mcr & MCR_LOOP) && serial->rx.count < depth(serial))
		n = depth(serial) - serial->rx.count;
	pthread_mutex_unlock(&serial->lock);
	return n;
}

static void receive(void *arg, const uint8_t *data, size_t len)
{
	struct serial *serial = arg;

	pthread_mutex_lock(&serial->lock);
	for (size_t i = 0; i < len; i++)
		receive_byte(serial, data[i]);
	update_irq(serial, true);
	pthread_mutex_unlock(&serial->lock);
}

static void writable(void *arg)
{
	struct serial *serial = arg;

	pthread_mutex_lock(&serial->lock);
	if (serial->tx.count) {
		transmit(serial);
		update_irq(serial, serial->thre_pending);
	}
	pthread_mutex_unlock(&serial->lock);
}

void serial_reset(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->rx = (struct fifo){.count = 0};
	serial->ier = serial->fcr = serial->lcr = serial->mcr = serial->scr = 0;
	serial->lsr = LSR_THRE | LSR_IDLE;
	serial->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	serial->divisor = 12; /* 9600 baud */
	serial->thre_pending = false;
	serial->signalled = IIR_NONE;
	pthread_mutex_unlock(&serial->lock);
}

struct serial *serial_new(struct chardev *chardev, struct irq_line *irq)
{
	struct serial *serial = calloc(1, sizeof(*serial));

	if (!serial)
		return NULL;
	pthread_mutex_init(&serial->lock, NULL);
	serial->chardev = chardev;
	serial->irq = irq;
	serial_reset(serial);
	chardev_set_handler(chardev, &(struct chardev_handler){.room = room,
							       .receive = receive,
							       .writable = writable,
							       .arg = serial});
	return serial;
}

void serial_free(struct serial *serial)
{
	if (!serial)
		return;
	pthread_mutex_destroy(&serial->lock);
	free(serial);
}
