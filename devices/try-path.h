/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Whether a file could be made, for who only checks and makes none. */
#ifndef DEVICES_TRY_PATH_H
#define DEVICES_TRY_PATH_H

/* Whether @path could be written: it may be, or it is not there and may be made. 0, or -1 and errno. */
int try_write(const char *path);

/* Whether @path is not there (else EEXIST) and may be made. 0, or -1 and errno. */
int try_make(const char *path);

#endif
