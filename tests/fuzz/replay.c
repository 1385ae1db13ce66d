/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The corpus of a fuzz target as a test, without libFuzzer: each file in the directories given is
 * an input. A mistake ends the program; the last name it printed is the input's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	/* Exactly as large, so that reading behind it is seen. */
	data = malloc((size_t)st.st_size);
	err = read(fd, data, (size_t)st.st_size) != st.st_size;
	close(fd);
	if (!err)
		LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	return err;
}

static int replay_directory(const char *path, unsigned int *count)
{
	char file[600];
	struct dirent *entry;
	DIR *dir = opendir(path);
	int err = dir ? 0 : -1;

	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		puts(file);
		fflush(stdout);
		err = replay_file(file);
		++*count;
	}
	if (dir)
		closedir(dir);
	return err;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;

	for (int i = 1; i < argc; i++) {
		if (replay_directory(argv[i], &count)) {
			perror(argv[i]);
			return EXIT_FAILURE;
		}
	}
	printf("%u passed, 0 failed\n", count);
	return count ? EXIT_SUCCESS : EXIT_FAILURE;
}
