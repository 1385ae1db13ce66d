/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Memory above 4 GiB is mapped, to itself, when it is first touched. The pool of page tables is
 * small, since the image has to fit between whatever the memory layout puts around it; when it is
 * used up, all mappings above 4 GiB are dropped and come back by the next faults.
 */
#include "guest/paging.h"

#include "guest/string.h"

#define ENTRIES     512
#define PTE_TABLE   0x07 /* present, writable, user */
#define PTE_LARGE   0x87
#define PTE_ADDRESS 0x000ffffffffff000ull

#define FIRST_DYNAMIC (1ull << 32)
#define POOL_TABLES   16

extern uint64_t pml4[ENTRIES], pdpt[ENTRIES]; /* boot.S */

static uint64_t pool[POOL_TABLES][ENTRIES] __attribute__((aligned(4096)));
static unsigned int pool_used;

static void load_cr3(void)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(pml4) : "memory");
}

static void drop_mappings(void)
{
	memset(&pml4[1], 0, sizeof(*pml4) * (ENTRIES - 1));
	memset(&pdpt[4], 0, sizeof(*pdpt) * (ENTRIES - 4));
	pool_used = 0;
	load_cr3();
}

static uint64_t *next_table(uint64_t *entry)
{
	if (!*entry) {
		uint64_t *table = pool[pool_used++];

		memset(table, 0, sizeof(pool[0]));
		*entry = (uint64_t)table | PTE_TABLE;
	}
	return (uint64_t *)(*entry & PTE_ADDRESS);
}

bool paging_map(uint64_t address)
{
	uint64_t *table, *entry;

	if (address < FIRST_DYNAMIC || address >= PAGING_LIMIT)
		return false;
	if (pool_used + 2 > POOL_TABLES)
		drop_mappings();
	table = next_table(&pml4[address >> 39 & (ENTRIES - 1)]);
	table = next_table(&table[address >> 30 & (ENTRIES - 1)]);
	entry = &table[address >> 21 & (ENTRIES - 1)];
	if (*entry)
		return false; /* mapped, and still a fault */
	*entry = (address & ~0x1fffffull) | PTE_LARGE;
	return true;
}
