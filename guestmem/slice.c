/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Slices: bounds, permission and fault checks around the copies of slice.h. */
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
