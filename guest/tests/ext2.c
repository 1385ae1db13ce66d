/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A real file system on the disk: the superblock makes sense, a file found by its path has the
 * right sum, and another one is overwritten in place with the pattern the host knows. Files have
 * direct and singly indirect blocks, no more. Every block passes through a buffer that straddles a
 * boundary, if there are boundaries.
 */
#include <stddef.h>

#include "guest/blk.h"
#include "guest/cmdline.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"

#define EXT2_MAGIC        0xef53
#define ROOT_INODE        2
#define SUPERBLOCK_OFFSET 1024
#define SUPERBLOCK_SIZE   1024
#define GROUP_SIZE        32
#define MODE_TYPE         0xf000
#define MODE_DIRECTORY    0x4000
#define MODE_FILE         0x8000
#define DIRECT_BLOCKS     12
#define MAX_BLOCK         4096

/* The fields used here; the rest of the superblock follows. */
struct superblock {
	uint32_t inodes_count;
	uint32_t blocks_count;
	uint32_t reserved_blocks_count;
	uint32_t free_blocks_count;
	uint32_t free_inodes_count;
	uint32_t first_data_block;
	uint32_t log_block_size;
	uint32_t log_fragment_size;
	uint32_t blocks_per_group;
	uint32_t fragments_per_group;
	uint32_t inodes_per_group;
	uint32_t times[2];
	uint16_t mount_counts[2];
	uint16_t magic;
	uint16_t state[3];
	uint32_t checks[3];
	uint32_t revision;
	uint32_t reserved_ids;
	uint32_t first_inode;
	uint16_t inode_size;
};

struct inode {
	uint16_t mode;
	uint16_t uid;
	uint32_t size;
	uint32_t times[4];
	uint16_t gid;
	uint16_t links;
	uint32_t sectors;
	uint32_t flags;
	uint32_t reserved;
	uint32_t block[15];
};

struct directory_entry {
	uint32_t inode;
	uint16_t size;
	uint8_t name_len;
	uint8_t type;
};

struct ext2 {
	struct blk *blk;
	struct superblock super;
	uint32_t block_size;
	uint8_t block[MAX_BLOCK]; /* the one read last */
};

/* --- blocks ---------------------------------------------------------------------------------- */

/* A buffer of @len bytes across another boundary each time; in the image if there is none. */
static uint64_t straddling(uint64_t len)
{
	static uint8_t own[MAX_BLOCK];
	static uint32_t turn;
	uint32_t count = memory_map.boundary_count;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t boundary = memory_map.boundaries[turn++ % count];
		uint64_t address = buffer_place(boundary, 1 + turn * 37 % (len - 1), len);

		if (address)
			return address;
	}
	return (uint64_t)own;
}

static bool read_bytes(struct ext2 *fs, uint64_t offset, void *to, uint64_t len)
{
	uint64_t buffer = straddling(len);
	uint32_t status;

	memset(at(buffer), 0x5a, len);
	status = blk_transfer(fs->blk, BLK_IN, offset / ABI_SECTOR_SIZE, buffer, len);
	memcpy(to, at(buffer), len);
	return CHECK(status == BLK_OK, "read at %lu into %lx: status %u", offset, buffer, status);
}

static bool read_block(struct ext2 *fs, uint32_t number)
{
	return CHECK(number && number < fs->super.blocks_count, "block %u: a hole, or outside",
		     number) &&
	       read_bytes(fs, (uint64_t)number * fs->block_size, fs->block, fs->block_size);
}

/* --- the file system ------------------------------------------------------------------------- */

static bool read_superblock(struct ext2 *fs)
{
	static uint8_t raw[SUPERBLOCK_SIZE];
	struct superblock *super = &fs->super;

	if (!read_bytes(fs, SUPERBLOCK_OFFSET, raw, sizeof(raw)))
		return false;
	memcpy(super, raw, sizeof(*super));
	if (!CHECK(super->magic == EXT2_MAGIC, "magic %x", super->magic) ||
	    !CHECK(super->log_block_size <= 2, "block size 1024 << %u", super->log_block_size))
		return false;
	fs->block_size = 1024u << super->log_block_size;
	if (super->revision == 0)
		super->inode_size = 128;
	return CHECK((uint64_t)super->blocks_count * fs->block_size <=
			     fs->blk->capacity * ABI_SECTOR_SIZE,
		     "%u blocks on %lu sectors", super->blocks_count, fs->blk->capacity) &&
	       CHECK(super->first_data_block == (super->log_block_size == 0), "first block %u",
		     super->first_data_block) &&
	       CHECK(super->free_blocks_count <= super->blocks_count &&
			     super->free_inodes_count <= super->inodes_count,
		     "more is free than there is") &&
	       CHECK(super->inodes_per_group && super->blocks_per_group, "empty groups") &&
	       CHECK(super->inode_size >= 128 && super->inode_size <= fs->block_size &&
			     !(super->inode_size & (super->inode_size - 1)),
		     "inodes of %u bytes", super->inode_size);
}

static bool read_inode(struct ext2 *fs, uint32_t number, struct inode *inode)
{
	uint32_t group = (number - 1) / fs->super.inodes_per_group;
	uint32_t index = (number - 1) % fs->super.inodes_per_group;
	uint64_t offset = (uint64_t)group * GROUP_SIZE;
	uint32_t table;

	if (!CHECK(number && number <= fs->super.inodes_count, "inode %u is outside", number) ||
	    !read_block(fs, fs->super.first_data_block + 1 + (uint32_t)(offset / fs->block_size)))
		return false;
	memcpy(&table, fs->block + offset % fs->block_size + 8, sizeof(table));
	offset = (uint64_t)index * fs->super.inode_size;
	if (!read_block(fs, table + (uint32_t)(offset / fs->block_size)))
		return false;
	memcpy(inode, fs->block + offset % fs->block_size, sizeof(*inode));
	return CHECK(inode->size <= (DIRECT_BLOCKS + fs->block_size / 4) * fs->block_size,
		     "inode %u is too large", number);
}

/* The number of a file's block, 0 if it is a hole or cannot be told. May read into fs->block. */
static uint32_t file_block(struct ext2 *fs, const struct inode *inode, uint32_t index)
{
	uint32_t number;

	if (index < DIRECT_BLOCKS)
		return inode->block[index];
	if (!read_block(fs, inode->block[DIRECT_BLOCKS]))
		return 0;
	memcpy(&number, fs->block + (index - DIRECT_BLOCKS) * sizeof(number), sizeof(number));
	return number;
}

/* The inode number of a name in the block read last, or 0. */
static uint32_t find_in_block(const struct ext2 *fs, const char *name, size_t len)
{
	struct directory_entry entry;

	for (uint32_t i = 0; i + sizeof(entry) <= fs->block_size; i += entry.size) {
		memcpy(&entry, fs->block + i, sizeof(entry));
		if (entry.size < sizeof(entry) || entry.size > fs->block_size - i)
			break;
		if (entry.inode && entry.name_len == len &&
		    entry.name_len + sizeof(entry) <= entry.size &&
		    !memcmp(fs->block + i + sizeof(entry), name, len))
			return entry.inode;
	}
	return 0;
}

/* Walk a path of the command line, "/a/b", to a regular file. */
static bool find_file(struct ext2 *fs, const char *path, struct inode *inode)
{
	const char *end = path + cmdline_len(path);
	uint32_t number;

	if (!read_inode(fs, ROOT_INODE, inode))
		return false;
	while (path < end) {
		size_t len = 0;

		while (path + len < end && path[len] != '/')
			len++;
		if (len == 0) {
			path++;
			continue;
		}
		if (!CHECK((inode->mode & MODE_TYPE) == MODE_DIRECTORY, "not a directory"))
			return false;
		number = 0;
		for (uint32_t i = 0; i * fs->block_size < inode->size && !number; i++) {
			if (!read_block(fs, file_block(fs, inode, i)))
				return false;
			number = find_in_block(fs, path, len);
		}
		if (!CHECK(number, "a name of a path is not found") || !read_inode(fs, number, inode))
			return false;
		path += len;
	}
	return CHECK((inode->mode & MODE_TYPE) == MODE_FILE, "not a file");
}

/* --- reading and writing files --------------------------------------------------------------- */

static void check_file(struct ext2 *fs, const char *path)
{
	const char *want = cmdline_next(ABI_KEY_EXT2_SUM, NULL);
	uint32_t sum = ABI_FNV_INIT;
	struct inode inode;

	if (!find_file(fs, path, &inode))
		return;
	for (uint32_t done = 0, len; done < inode.size; done += len) {
		len = inode.size - done < fs->block_size ? inode.size - done : fs->block_size;
		if (!read_block(fs, file_block(fs, &inode, done / fs->block_size)))
			return;
		sum = abi_fnv1a(sum, fs->block, len);
	}
	tap_note("ext2: file of %u bytes, sum %x", inode.size, sum);
	if (want)
		CHECK(sum == cmdline_hex(want), "the sum should be %lx", cmdline_hex(want));
}

/* What follows the end of the file in its last block becomes zero. */
static void fill_block(const struct ext2 *fs, uint32_t offset, uint32_t size, uint8_t *block)
{
	for (uint32_t i = 0; i < fs->block_size; i += sizeof(uint64_t)) {
		uint64_t word = abi_pattern((offset + i) / ABI_SECTOR_SIZE,
					    (offset + i) % ABI_SECTOR_SIZE / sizeof(uint64_t),
					    ABI_PATTERN_FILE);

		memcpy(block + i, &word, sizeof(word));
	}
	if (size - offset < fs->block_size)
		memset(block + (size - offset), 0, fs->block_size - (size - offset));
}

static void write_file(struct ext2 *fs, const char *path)
{
	struct blk_request flush = {.type = BLK_FLUSH};
	struct inode inode;

	if (!find_file(fs, path, &inode))
		return;
	for (uint32_t done = 0; done < inode.size; done += fs->block_size) {
		uint32_t number = file_block(fs, &inode, done / fs->block_size);
		uint64_t buffer = straddling(fs->block_size);
		uint32_t status;

		if (!CHECK(number && number < fs->super.blocks_count,
			   "block %u: a hole, or outside", number))
			return;
		fill_block(fs, done, inode.size, at(buffer));
		status = blk_transfer(fs->blk, BLK_OUT,
				      (uint64_t)number * fs->block_size / ABI_SECTOR_SIZE, buffer,
				      fs->block_size);
		if (!CHECK(status == BLK_OK, "write of block %u: status %u", number, status))
			return;
	}
	if (fs->blk->device->features & BLK_FEATURE_FLUSH)
		CHECK(blk_submit(fs->blk, &flush) == BLK_OK, "flush failed");
	tap_note("ext2: overwrote a file of %u bytes", inode.size);
}

void test_ext2(void)
{
	const char *file = cmdline_next(ABI_KEY_EXT2_FILE, NULL);
	const char *target = cmdline_next(ABI_KEY_EXT2_WRITE, NULL);
	static struct ext2 fs;
	struct inode root;

	fs.blk = blk_disk();
	if (!fs.blk || !fs.blk->ext2) {
		tap_skip(fs.blk ? "no ext2" : "no device");
		return;
	}
	if (!read_superblock(&fs) || !read_inode(&fs, ROOT_INODE, &root) ||
	    !CHECK((root.mode & MODE_TYPE) == MODE_DIRECTORY, "the root is no directory"))
		return;
	tap_note("ext2: %u blocks of %u, %u inodes", fs.super.blocks_count, fs.block_size,
		 fs.super.inodes_count);
	if (file)
		check_file(&fs, file);
	if (target)
		write_file(&fs, target);
}
