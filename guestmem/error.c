/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The names of errors and the sentences for them: one table. */
#include "guestmem/types.h"

static const struct {
	const char *name;
	const char *sentence;
} errors[] = {
	[-GM_OK] = {"ok", "success"},
	[-GM_ERR_INVALID_ADDRESS] = {"invalid_address", "no region holds the guest address"},
	[-GM_ERR_INVALID_BACKEND] = {"invalid_backend", "outside the region or its host mapping"},
	[-GM_ERR_HOST_UNAVAILABLE] = {"host_unavailable", "the region has no host mapping"},
	[-GM_ERR_PARTIAL] = {"partial", "only a first part was transferred"},
	[-GM_ERR_CALLBACK_RANGE] = {"callback_range", "a callback took more than it was offered"},
	[-GM_ERR_ADDRESS_OVERFLOW] = {"address_overflow", "address plus length wraps around"},
	[-GM_ERR_IOMMU] = {"iommu", "the IOMMU does not allow the access"},
	[-GM_ERR_IO] = {"io", "the host reported an I/O error"},
	[-GM_ERR_UNEXPECTED_EOF] = {"unexpected_eof", "the source ended too early"},
	[-GM_ERR_WRITE_ZERO] = {"write_zero", "the sink takes no more"},
	[-GM_ERR_INTERRUPTED] = {"interrupted", "interrupted by a signal"},
	[-GM_ERR_OUT_OF_BOUNDS] = {"out_of_bounds", "past the end of the slice"},
	[-GM_ERR_OVERFLOW] = {"overflow", "offset plus length wraps around"},
	[-GM_ERR_TOO_BIG] = {"too_big", "element count times element size wraps around"},
	[-GM_ERR_MISALIGNED] = {"misaligned", "not aligned for the type"},
	[-GM_ERR_NO_REGION] = {"no_region", "a memory needs at least one region"},
	[-GM_ERR_OVERLAP] = {"overlap", "regions overlap"},
	[-GM_ERR_UNSORTED] = {"unsorted", "regions are not in ascending order"},
	[-GM_ERR_INVALID_REGION] = {"invalid_region", "not a valid range for a region"},
	[-GM_ERR_ZERO_SIZE] = {"zero_size", "a region needs at least one byte"},
	[-GM_ERR_MAP] = {"map", "the host refused the mapping"},
	[-GM_ERR_FILE_TOO_SMALL] = {"file_too_small", "the file ends before the region does"},
	[-GM_ERR_NO_MEMORY] = {"no_memory", "out of host memory"},
	[-GM_ERR_INVALID_ARGUMENT] = {"invalid_argument", "invalid argument"},
	[-GM_ERR_READ_ONLY] = {"read_only", "the region is read-only"},
	[-GM_ERR_FAULT] = {"fault", "the file behind the region no longer has the page"},
	[-GM_ERR_NOT_SHAREABLE] = {"not_shareable", "the region has no file to share"},
	[-GM_ERR_PROTOCOL] = {"protocol", "what was received is not a memory"},
};

_Static_assert(sizeof(errors) / sizeof(errors[0]) == 1 - GM_ERR_LAST, "a row for every error");

static bool known(int error)
{
	return error <= 0 && error >= GM_ERR_LAST;
}

const char *gm_strerror(int error)
{
	return known(error) ? errors[-error].sentence : "unknown error";
}

const char *gm_error_name(int error)
{
	return known(error) ? errors[-error].name : "unknown";
}
