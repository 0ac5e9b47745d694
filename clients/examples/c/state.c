/* The files of a device, in the current directory. */
#include "fieldgate.h"
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int state_load(const char *name, char *content, size_t size) {
    int file = open(name, O_RDONLY);
    ssize_t n = file < 0 ? 0 : read(file, content, size - 1);
    if (file >= 0) close(file);
    content[n > 0 ? n : 0] = 0;
    return n > 0;
}

void state_save(const char *name, const char *content) {
    int file = open("new", O_WRONLY | O_CREAT | O_TRUNC, 0600), directory = open(".", O_RDONLY);
    ssize_t size = strlen(content);
    if (write(file, content, size) != size || fsync(file) != 0) err(1, "writing %s", name);
    if (rename("new", name) != 0 || fsync(directory) != 0) err(1, "replacing %s", name);
    close(file), close(directory);
}
