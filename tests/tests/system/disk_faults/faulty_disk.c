/* A disk that fails, tears or loses its power at one call that changes the store's files.
 *
 * Loaded into the executor with LD_PRELOAD. Counts every write, fsync and ftruncate of a file
 * whose name begins with "executor.db"; from the environment:
 *
 *   FAULTY_DISK_AT    the call at which it happens, from 1; with 0 calls are only counted
 *   FAULTY_DISK_ONLY  only such calls count: "fsync", or "executor.db" for that one file
 *   FAULTY_DISK_HOW   eio, enospc   the call fails, nothing of it was done
 *                     tear          half of the write is done, then it fails
 *                     cut           every write since its file's last fsync is undone: exit
 *                     cut_some      the same, and then half of them, by chance, are done
 *   FAULTY_DISK_SEED  which half
 *   FAULTY_DISK_LIES  fsync says yes and does nothing, as with synchronous=OFF
 *   FAULTY_DISK_READ_ONLY  as long as this file is there, each call fails as on a disk that is
 *                     mounted read-only, and none is counted
 *   FAULTY_DISK_SAID  the file that hears what happened: CALL FILE NUMBER
 *
 * What a file was like before each write is kept until its fsync. The write-ahead log's index
 * (-shm) is memory that happens to have a file: it may fail, and is not undone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* One write, or one truncation, that a power cut may take back. */
struct edit {
    struct edit *before;
    dev_t dev;
    ino_t ino;
    int fd; /* open as long as the process lives */
    off_t at, size_before, size_after;
    size_t old_length, new_length;
    char *old_bytes, *new_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct edit *edits;
static unsigned long calls;
static unsigned long long chance;

static const char *setting(const char *name) {
    const char *text = getenv(name);
    return text ? text : "";
}

/* The name of the store's file behind fd, or NULL. */
static const char *store_file(int fd, char *path, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return name && !strncmp(name + 1, "executor.db", 11) ? name + 1 : NULL;
}

static void say(const char *call, const char *name) {
    char text[160];
    int length = snprintf(text, sizeof text, "%s %s %lu\n", call, name, calls);
    int fd = open(setting("FAULTY_DISK_SAID"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) syscall(SYS_write, fd, text, (size_t)length);
    close(fd);
}

/* A descriptor of the same file that stays open: closing one would drop SQLite's locks. */
static int kept(int fd, const struct stat *file) {
    for (struct edit *e = edits; e; e = e->before)
        if (e->dev == file->st_dev && e->ino == file->st_ino) return e->fd;
    return dup(fd);
}

static void remember(int fd, off_t at, const char *bytes, size_t length, off_t size_after) {
    struct stat file;
    struct edit *e = calloc(1, sizeof *e);
    fstat(fd, &file);
    e->dev = file.st_dev, e->ino = file.st_ino, e->fd = kept(fd, &file), e->at = at;
    e->size_before = file.st_size, e->size_after = size_after;
    if (at < file.st_size) {
        size_t rest = (size_t)(file.st_size - at);
        /* Of a truncation everything behind it, of a write what it covers. */
        e->old_length = bytes && length < rest ? length : rest;
        e->old_bytes = malloc(e->old_length);
        if (pread(fd, e->old_bytes, e->old_length, at) != (ssize_t)e->old_length) abort();
    }
    if (bytes) {
        e->new_length = length, e->new_bytes = malloc(length);
        memcpy(e->new_bytes, bytes, length);
    }
    e->before = edits, edits = e;
}

/* What is on the disk now stays there. */
static void forget(int fd) {
    struct stat file;
    fstat(fd, &file);
    for (struct edit **at = &edits; *at;) {
        struct edit *e = *at;
        if (e->dev == file.st_dev && e->ino == file.st_ino) {
            *at = e->before;
            free(e->old_bytes), free(e->new_bytes), free(e);
        } else {
            at = &e->before;
        }
    }
}

static void put(int fd, const char *bytes, size_t length, off_t at) {
    if (length && syscall(SYS_pwrite64, fd, bytes, length, at) != (long)length) abort();
}

static int heads(void) {
    chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
    return (chance >> 32) & 1;
}

/* Oldest first. */
static void redo_some(const struct edit *e) {
    if (!e) return;
    redo_some(e->before);
    if (!heads()) return;
    put(e->fd, e->new_bytes, e->new_length, e->at);
    if (!e->new_bytes) syscall(SYS_ftruncate, e->fd, e->size_after);
}

static void power_cut(int some) {
    for (struct edit *e = edits; e; e = e->before) {
        put(e->fd, e->old_bytes, e->old_length, e->at);
        syscall(SYS_ftruncate, e->fd, e->size_before);
    }
    chance = strtoull(setting("FAULTY_DISK_SEED"), NULL, 10) * 2654435761u + 88172645463325252u;
    if (some) redo_some(edits);
    syscall(SYS_exit_group, 137);
}

/* Counts a call under the lock; whether it has to fail, and with errno set. */
static int fails(const char *call, const char *name) {
    const char *read_only = setting("FAULTY_DISK_READ_ONLY");
    if (*read_only && !access(read_only, F_OK)) {
        errno = EROFS;
        return 1;
    }
    const char *only = setting("FAULTY_DISK_ONLY");
    if (*only && strcmp(only, call) && strcmp(only, name)) return 0;
    calls++;
    if (calls != strtoul(setting("FAULTY_DISK_AT"), NULL, 10)) return 0;
    const char *how = setting("FAULTY_DISK_HOW");
    say(call, name);
    if (!strncmp(how, "cut", 3)) power_cut(!strcmp(how, "cut_some"));
    errno = strcmp(how, "enospc") ? EIO : ENOSPC;
    return 1;
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t at, int moves) {
    char path[4096];
    const char *name = store_file(fd, path, sizeof path);
    long done;
    if (name) pthread_mutex_lock(&lock);
    if (name && fails("write", name)) {
        int why = errno;
        if (strcmp(setting("FAULTY_DISK_HOW"), "tear")) length = 0;
        put(fd, bytes, length / 2, moves ? lseek(fd, 0, SEEK_CUR) : at);
        errno = why, done = -1;
    } else {
        if (name && !strstr(name, "-shm"))
            remember(fd, moves ? lseek(fd, 0, SEEK_CUR) : at, bytes, length, 0);
        done = moves ? syscall(SYS_write, fd, bytes, length)
                     : syscall(SYS_pwrite64, fd, bytes, length, at);
    }
    if (name) pthread_mutex_unlock(&lock);
    return done;
}

static int sync_file(int fd, long call, const char *called) {
    char path[4096];
    const char *name = store_file(fd, path, sizeof path);
    if (!name) return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    int done = 0;
    if (fails(called, name)) {
        done = -1;
    } else if (!*setting("FAULTY_DISK_LIES")) {
        done = (int)syscall(call, fd);
        if (!done) forget(fd);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

static int truncate_to(int fd, off_t size) {
    char path[4096];
    const char *name = store_file(fd, path, sizeof path);
    if (!name) return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    int done = -1;
    if (!fails("ftruncate", name)) {
        if (!strstr(name, "-shm")) remember(fd, size, NULL, 0, size);
        done = (int)syscall(SYS_ftruncate, fd, size);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

EXPORT ssize_t write(int fd, const void *b, size_t n) { return write_at(fd, b, n, 0, 1); }
EXPORT ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return write_at(fd, b, n, at, 0); }
EXPORT ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { return write_at(fd, b, n, at, 0); }
EXPORT int fsync(int fd) { return sync_file(fd, SYS_fsync, "fsync"); }
EXPORT int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync, "fdatasync"); }
EXPORT int ftruncate(int fd, off_t size) { return truncate_to(fd, size); }
EXPORT int ftruncate64(int fd, off64_t size) { return truncate_to(fd, size); }
