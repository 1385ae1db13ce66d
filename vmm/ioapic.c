/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The IOAPIC's registers and what a change of them means to KVM.
 *
 * Lines here are edges (devices/irq.h). A pin that the guest programs as level triggered delivers
 * one level message for each edge; since a line is never held there is nothing to deliver again at
 * the end of interrupt, and Remote IRR reads as zero.
 */
#include "vmm/ioapic.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/layout.h"

/* MMIO offsets */
#define IOREGSEL 0x00
#define IOWIN    0x10

/* registers behind them */
#define REG_ID          0x00
#define REG_VERSION     0x01
#define REG_ARBITRATION 0x02
#define REG_TABLE       0x10

#define VERSION (0x11 | (IOAPIC_PINS - 1) << 16)

/* redirection table entry */
#define REDIRECT_VECTOR     0xffULL
#define REDIRECT_DELIVERY   0x700ULL
#define REDIRECT_LOGICAL    (1ULL << 11)
#define REDIRECT_STATUS     (1ULL << 12) /* read only */
#define REDIRECT_REMOTE_IRR (1ULL << 14) /* read only */
#define REDIRECT_LEVEL      (1ULL << 15)
#define REDIRECT_MASKED     (1ULL << 16)
#define REDIRECT_DEST_SHIFT 56
#define REDIRECT_WRITABLE   (0xff0000000001ffffULL & ~(REDIRECT_STATUS | REDIRECT_REMOTE_IRR))

/* the message to the local APICs */
#define MSI_ADDRESS    0xfee00000U
#define MSI_DEST_SHIFT 12
#define MSI_LOGICAL    (1U << 2)
#define MSI_ASSERT     (1U << 14)
#define MSI_LEVEL      (1U << 15)

union routes {
	struct kvm_irq_routing head;
	uint8_t room[sizeof(struct kvm_irq_routing) + IOAPIC_PINS * sizeof(struct kvm_irq_routing_entry)];
};

static struct kvm_irq_routing_entry pin_route(unsigned int pin, uint64_t redirect)
{
	struct kvm_irq_routing_entry entry = {.gsi = pin, .type = KVM_IRQ_ROUTING_MSI};

	entry.u.msi.address_lo = MSI_ADDRESS |
				 (uint32_t)(redirect >> REDIRECT_DEST_SHIFT) << MSI_DEST_SHIFT |
				 (redirect & REDIRECT_LOGICAL ? MSI_LOGICAL : 0);
	entry.u.msi.data = (uint32_t)(redirect & (REDIRECT_VECTOR | REDIRECT_DELIVERY)) |
			   (redirect & REDIRECT_LEVEL ? MSI_LEVEL | MSI_ASSERT : 0);
	return entry;
}

static bool pin_is_open(const struct ioapic_pin *pin)
{
	return pin->eventfd >= 0 && !(pin->redirect & REDIRECT_MASKED);
}

/* Tell KVM the messages of all open pins. Setting routes waits for readers: only on a change. */
static int ioapic_route(struct ioapic *ioapic)
{
	union routes routes = {.room = {0}};

	for (unsigned int i = 0; i < IOAPIC_PINS; i++) {
		if (pin_is_open(&ioapic->pins[i]))
			routes.head.entries[routes.head.nr++] =
				pin_route(i, ioapic->pins[i].redirect);
	}
	return kvm_set_routes(ioapic->kvm, &routes.head);
}

/* A redirection entry becomes @value: mask, route or both may change. */
static void redirect(struct ioapic *ioapic, unsigned int index, uint64_t value)
{
	struct ioapic_pin *pin = &ioapic->pins[index];
	uint64_t before = pin->redirect;
	bool open;

	pin->redirect = value & REDIRECT_WRITABLE;
	open = pin_is_open(pin);
	if (pin->redirect == before || (!open && !pin->attached))
		return;
	/* A route that nobody uses may stay; one that is used stands before and after. */
	if (open && ioapic_route(ioapic))
		goto fail;
	if (open != pin->attached) {
		if (kvm_irqfd(ioapic->kvm, index, pin->eventfd, open))
			goto fail;
		pin->attached = open;
	}
	return;
fail:
	device_log(&ioapic->log, "ioapic", "pin %u: KVM refuses entry %#llx: %s", index,
		   (unsigned long long)pin->redirect, strerror(errno));
}

static uint32_t read_register(const struct ioapic *ioapic)
{
	unsigned int index = ioapic->select - REG_TABLE;
	uint64_t value;

	switch (ioapic->select) {
	case REG_ID:
	case REG_ARBITRATION: return (uint32_t)ioapic->id << 24;
	case REG_VERSION: return VERSION;
	default: break;
	}
	if (ioapic->select < REG_TABLE || index / 2 >= IOAPIC_PINS)
		return 0;
	value = ioapic->pins[index / 2].redirect;
	return (uint32_t)(index % 2 ? value >> 32 : value);
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
	unsigned int index = ioapic->select - REG_TABLE;
	uint64_t before;

	if (ioapic->select == REG_ID)
		ioapic->id = value >> 24 & 0x0f;
	if (ioapic->select < REG_TABLE || index / 2 >= IOAPIC_PINS)
		return;
	before = ioapic->pins[index / 2].redirect;
	if (index % 2)
		redirect(ioapic, index / 2, (before & UINT32_MAX) | (uint64_t)value << 32);
	else
		redirect(ioapic, index / 2, (before & ~(uint64_t)UINT32_MAX) | value);
}

/* Registers are 32 bits wide; other accesses read as zero and are dropped. */
static void ioapic_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct ioapic *ioapic = device;
	uint32_t value = 0;

	memset(data, 0, len);
	if (len != sizeof(value))
		return;
	pthread_mutex_lock(&ioapic->lock);
	if (offset == IOREGSEL)
		value = ioapic->select;
	else if (offset == IOWIN)
		value = read_register(ioapic);
	pthread_mutex_unlock(&ioapic->lock);
	value = htole32(value);
	memcpy(data, &value, sizeof(value));
}

static void ioapic_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct ioapic *ioapic = device;
	uint32_t value;

	if (len != sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	value = le32toh(value);
	pthread_mutex_lock(&ioapic->lock);
	if (offset == IOREGSEL)
		ioapic->select = (uint8_t)value;
	else if (offset == IOWIN)
		write_register(ioapic, value);
	pthread_mutex_unlock(&ioapic->lock);
}

const struct bus_ops ioapic_bus_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

/* --- lines ------------------------------------------------------------------------------------ */

static void pin_pulse(struct irq_line *line)
{
	struct ioapic_pin *pin = (struct ioapic_pin *)line;
	uint64_t one = 1;

	/* Else it fails only if 2^64 - 2 edges wait; one would do. */
	while (write(pin->eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

void ioapic_init(struct ioapic *ioapic, const struct kvm *kvm)
{
	*ioapic = (struct ioapic){.kvm = kvm, .lock = PTHREAD_MUTEX_INITIALIZER};
	for (unsigned int i = 0; i < IOAPIC_PINS; i++)
		ioapic->pins[i] = (struct ioapic_pin){
			.line.pulse = pin_pulse,
			.eventfd = -1,
			.redirect = REDIRECT_MASKED,
		};
}

struct irq_line *ioapic_line(struct ioapic *ioapic, unsigned int pin)
{
	ioapic->pins[pin].eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ioapic->pins[pin].eventfd < 0 ? NULL : &ioapic->pins[pin].line;
}

void ioapic_reset(struct ioapic *ioapic)
{
	pthread_mutex_lock(&ioapic->lock);
	ioapic->select = 0;
	ioapic->id = 0;
	for (unsigned int i = 0; i < IOAPIC_PINS; i++) {
		uint64_t count;

		redirect(ioapic, i, REDIRECT_MASKED);
		/* An edge nobody took is of the machine that was. */
		if (ioapic->pins[i].eventfd >= 0 &&
		    read(ioapic->pins[i].eventfd, &count, sizeof(count)) < 0)
			continue;
	}
	pthread_mutex_unlock(&ioapic->lock);
}

bool ioapic_is_open(struct ioapic *ioapic, unsigned int pin)
{
	bool open;

	pthread_mutex_lock(&ioapic->lock);
	open = ioapic->pins[pin].attached;
	pthread_mutex_unlock(&ioapic->lock);
	return open;
}

void ioapic_destroy(struct ioapic *ioapic)
{
	/* Attached or not: an irqfd lets go when its eventfd is closed or its VM goes. */
	for (unsigned int i = 0; i < IOAPIC_PINS; i++) {
		if (ioapic->pins[i].eventfd >= 0)
			close(ioapic->pins[i].eventfd);
	}
	pthread_mutex_destroy(&ioapic->lock);
}
