/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The whole of libguestmem. guestmem/README.md says which header has what. */
#ifndef GUESTMEM_GUESTMEM_H
#define GUESTMEM_GUESTMEM_H

#include "guestmem/address.h"
#include "guestmem/bitmap.h"
#include "guestmem/bytes.h"
#include "guestmem/cell.h"
#include "guestmem/discard.h"
#include "guestmem/endian.h"
#include "guestmem/fault.h"
#include "guestmem/iommu.h"
#include "guestmem/memory.h"
#include "guestmem/print.h"
#include "guestmem/region-bytes.h"
#include "guestmem/region.h"
#include "guestmem/sg.h"
#include "guestmem/share.h"
#include "guestmem/slice.h"
#include "guestmem/stream.h"
#include "guestmem/types.h"
#include "guestmem/window.h"

#endif
