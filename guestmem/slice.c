/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Slices: bounds, permission and fault checks around the copies of slice.h, and copies of elements
 * and between slices.
 */
#include "guestmem/internal.h"

ssize_t gm_slice_read(const struct gm_slice *slice, size_t offset, void *buf, size_t len)
{
	int err = 0;

	if (len == 0)
		return 0;
	if (offset >= slice->len)
		return GM_ERR_OUT_OF_BOUNDS;
	len = len < slice->len - offset ? len : slice->len - offset;
	if (slice->flags & GM_SLICE_MAY_FAULT)
		err = gm_fault_copy_out(slice, offset, buf, len);
	else
		gm_copy_out(buf, slice->host + offset, len);
	return err ? err : (ssize_t)len;
}

ssize_t gm_slice_write(const struct gm_slice *slice, size_t offset, const void *buf, size_t len)
{
	int err = 0;

	if (len == 0)
		return 0;
	if (offset >= slice->len)
		return GM_ERR_OUT_OF_BOUNDS;
	if (slice->flags & GM_SLICE_READ_ONLY)
		return GM_ERR_READ_ONLY;
	len = len < slice->len - offset ? len : slice->len - offset;
	if (slice->flags & GM_SLICE_MAY_FAULT)
		err = gm_fault_copy_in(slice, offset, buf, len);
	else
		gm_copy_in(slice->host + offset, buf, len);
	gm_slice_mark_dirty(slice, offset, len);
	return err ? err : (ssize_t)len;
}

int gm_slice_read_exact(const struct gm_slice *slice, size_t offset, void *buf, size_t len,
			size_t *done)
{
	return gm_exact(gm_slice_read(slice, offset, buf, len), len, done);
}

int gm_slice_write_exact(const struct gm_slice *slice, size_t offset, const void *buf, size_t len,
			 size_t *done)
{
	return gm_exact(gm_slice_write(slice, offset, buf, len), len, done);
}

int gm_slice_offset(const struct gm_slice *slice, size_t count, struct gm_slice *rest)
{
	uintptr_t host;

	if (__builtin_add_overflow((uintptr_t)slice->host, count, &host))
		return GM_ERR_OVERFLOW;
	if (count > slice->len)
		return GM_ERR_OUT_OF_BOUNDS;
	return gm_slice_sub(slice, count, slice->len - count, rest);
}

int gm_slice_split_at(const struct gm_slice *slice, size_t mid, struct gm_slice *head,
		      struct gm_slice *tail)
{
	int err = gm_slice_offset(slice, mid, tail);

	return err ? err : gm_slice_sub(slice, 0, mid, head);
}

/* The aligned part of @size bytes at @offset. */
static int aligned_part(const struct gm_slice *slice, size_t offset, size_t size, size_t align,
			struct gm_slice *part)
{
	int err;

	if (align == 0 || (align & (align - 1)))
		return GM_ERR_INVALID_ARGUMENT;
	err = gm_slice_sub(slice, offset, size, part);
	if (!err && ((uintptr_t)part->host & (align - 1)))
		err = GM_ERR_MISALIGNED;
	return err;
}

int gm_slice_load(const struct gm_slice *slice, size_t offset, void *value, size_t size, int order)
{
	struct gm_slice part;
	int err = size <= 8 ? aligned_part(slice, offset, size, size, &part)
			    : GM_ERR_INVALID_ARGUMENT;

	if (err)
		return err;
	return gm_fault_load(part.host, value, size, order, part.flags & GM_SLICE_MAY_FAULT);
}

int gm_slice_store(const struct gm_slice *slice, size_t offset, const void *value, size_t size,
		   int order)
{
	struct gm_slice part;
	int err = size <= 8 ? aligned_part(slice, offset, size, size, &part)
			    : GM_ERR_INVALID_ARGUMENT;

	if (!err && (slice->flags & GM_SLICE_READ_ONLY))
		err = GM_ERR_READ_ONLY;
	if (!err)
		err = gm_fault_store(part.host, value, size, order, part.flags & GM_SLICE_MAY_FAULT);
	if (!err)
		gm_slice_mark_dirty(&part, 0, size);
	return err;
}

int gm_slice_aligned_ref(const struct gm_slice *slice, size_t offset, size_t size, size_t align,
			 const void **ref)
{
	struct gm_slice part;
	int err = aligned_part(slice, offset, size, align, &part);

	if (!err && (slice->flags & GM_SLICE_MAY_FAULT))
		err = GM_ERR_FAULT;
	if (!err)
		*ref = part.host;
	return err;
}

int gm_slice_atomic_ref(const struct gm_slice *slice, size_t offset, size_t size, void **ref)
{
	const void *host;
	int err = size <= 8 ? gm_slice_aligned_ref(slice, offset, size, size, &host)
			    : GM_ERR_INVALID_ARGUMENT;

	if (!err && (slice->flags & GM_SLICE_READ_ONLY))
		err = GM_ERR_READ_ONLY;
	if (!err)
		*ref = (void *)(uintptr_t)host;
	return err;
}

/*
 * Elements one by one, each in a single access if the guest's side is aligned; the private side
 * may have any alignment.
 */
#define COPY_ELEMENTS(bits)                                                                       \
	static void copy_elements_in_##bits(void *guest, const void *buf, size_t count)           \
	{                                                                                         \
		for (size_t i = 0; i < count; i++) {                                              \
			uint##bits##_t value;                                                     \
                                                                                                  \
			memcpy(&value, (const char *)buf + i * sizeof(value), sizeof(value));     \
			__atomic_store_n((uint##bits##_t *)guest + i, value, __ATOMIC_RELAXED);   \
		}                                                                                 \
	}                                                                                         \
                                                                                                  \
	static void copy_elements_out_##bits(void *buf, const void *guest, size_t count)          \
	{                                                                                         \
		for (size_t i = 0; i < count; i++) {                                              \
			uint##bits##_t value = __atomic_load_n((const uint##bits##_t *)guest + i, \
							       __ATOMIC_RELAXED);                 \
                                                                                                  \
			memcpy((char *)buf + i * sizeof(value), &value, sizeof(value));           \
		}                                                                                 \
	}

COPY_ELEMENTS(16)
COPY_ELEMENTS(32)
COPY_ELEMENTS(64)

static void copy_elements_in(void *guest, const void *buf, size_t count, size_t size)
{
	bool aligned = ((uintptr_t)guest & (size - 1)) == 0;

	if (size == 8 && aligned)
		copy_elements_in_64(guest, buf, count);
	else if (size == 4 && aligned)
		copy_elements_in_32(guest, buf, count);
	else if (size == 2 && aligned)
		copy_elements_in_16(guest, buf, count);
	else
		memcpy(guest, buf, count * size);
}

static void copy_elements_out(void *buf, const void *guest, size_t count, size_t size)
{
	bool aligned = ((uintptr_t)guest & (size - 1)) == 0;

	if (size == 8 && aligned)
		copy_elements_out_64(buf, guest, count);
	else if (size == 4 && aligned)
		copy_elements_out_32(buf, guest, count);
	else if (size == 2 && aligned)
		copy_elements_out_16(buf, guest, count);
	else
		memcpy(buf, guest, count * size);
}

static void move_bytes(void *to, const void *from, size_t count, size_t size)
{
	uint64_t once;

	if (count > 8) {
		memmove(to, from, count * size);
	} else {
		gm_copy_out_small(&once, from, count);
		gm_copy_in_small(to, &once, count);
	}
}

ssize_t gm_slice_copy(const struct gm_slice *to, const struct gm_slice *from)
{
	size_t len = to->len < from->len ? to->len : from->len;
	const uint8_t *low = to->host < from->host ? to->host : from->host;
	const uint8_t *high = to->host < from->host ? from->host : to->host;
	int err = 0;

	if (len == 0)
		return 0;
	if (to->flags & GM_SLICE_READ_ONLY)
		return GM_ERR_READ_ONLY;
	if ((to->flags | from->flags) & GM_SLICE_MAY_FAULT)
		err = gm_fault_copy(move_bytes, to->host, from->host, len, 1, low,
				    (size_t)(high - low) + len);
	else
		move_bytes(to->host, from->host, len, 1);
	gm_slice_mark_dirty(to, 0, len);
	return err ? err : (ssize_t)len;
}

static size_t elements(const struct gm_slice *slice, size_t size, size_t count)
{
	size_t there = slice->len / size;

	return count < there ? count : there;
}

ssize_t gm_slice_copy_to(const struct gm_slice *slice, size_t size, void *buf, size_t count)
{
	int err = 0;

	if (size == 0)
		return GM_ERR_INVALID_ARGUMENT;
	count = elements(slice, size, count);
	if (count && (slice->flags & GM_SLICE_MAY_FAULT))
		err = gm_fault_copy(copy_elements_out, buf, slice->host, count, size, slice->host,
				    count * size);
	else if (count)
		copy_elements_out(buf, slice->host, count, size);
	return err ? err : (ssize_t)count;
}

ssize_t gm_slice_copy_from(const struct gm_slice *slice, size_t size, const void *buf, size_t count)
{
	int err = 0;

	if (size == 0)
		return GM_ERR_INVALID_ARGUMENT;
	count = elements(slice, size, count);
	if (count == 0)
		return 0;
	if (slice->flags & GM_SLICE_READ_ONLY)
		return GM_ERR_READ_ONLY;
	if (slice->flags & GM_SLICE_MAY_FAULT)
		err = gm_fault_copy(copy_elements_in, slice->host, buf, count, size, slice->host,
				    count * size);
	else
		copy_elements_in(slice->host, buf, count, size);
	gm_slice_mark_dirty(slice, 0, count * size);
	return err ? err : (ssize_t)count;
}

int gm_ref_load(const struct gm_slice *ref, void *value)
{
	return gm_slice_read_exact(ref, 0, value, ref->len, NULL);
}

int gm_ref_store(const struct gm_slice *ref, const void *value)
{
	return gm_slice_write_exact(ref, 0, value, ref->len, NULL);
}

int gm_slice_array(const struct gm_slice *slice, size_t offset, size_t count, size_t size,
		   struct gm_array *array)
{
	size_t bytes;
	int err;

	if (size == 0)
		return GM_ERR_INVALID_ARGUMENT;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX)
		return GM_ERR_TOO_BIG;
	err = gm_slice_sub(slice, offset, bytes, &array->slice);
	if (err)
		return err;
	array->count = count;
	array->size = size;
	return 0;
}

int gm_array_ref(const struct gm_array *array, size_t index, struct gm_slice *ref)
{
	if (index >= array->count)
		return GM_ERR_OUT_OF_BOUNDS;
	return gm_slice_sub(&array->slice, index * array->size, array->size, ref);
}

int gm_array_load(const struct gm_array *array, size_t index, void *value)
{
	struct gm_slice ref;
	int err = gm_array_ref(array, index, &ref);

	return err ? err : gm_ref_load(&ref, value);
}

int gm_array_store(const struct gm_array *array, size_t index, const void *value)
{
	struct gm_slice ref;
	int err = gm_array_ref(array, index, &ref);

	return err ? err : gm_ref_store(&ref, value);
}
