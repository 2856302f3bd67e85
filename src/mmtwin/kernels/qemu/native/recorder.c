/*
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * Process 1 of a guest that runs one program and tells its memory calls, in mmtwin's trace format.
 *
 * The program's arguments are the lines of /command. After each line of the trace that it writes to
 * the virtio port it waits for one byte, so that the other side can look at the kernel meanwhile.
 * The program is held at its exit, its address space still there, until the guest is switched off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MOST 64
#define MAPS_MOST (1 << 20)

static int port;

static const struct {
    long number;
    const char *name;
} calls[] = {
    {SYS_mmap, "mmap"},         {SYS_mprotect, "mprotect"},     {SYS_munmap, "munmap"},
    {SYS_brk, "brk"},           {SYS_mremap, "mremap"},         {SYS_madvise, "madvise"},
    {SYS_mlock, "mlock"},       {SYS_munlock, "munlock"},       {SYS_mlockall, "mlockall"},
    {SYS_mlock2, "mlock2"},     {SYS_munlockall, "munlockall"}, {SYS_shmat, "shmat"},
    {SYS_shmdt, "shmdt"},       {SYS_msync, "msync"},
};

static const char *name_of(long number)
{
    for (size_t at = 0; at < sizeof(calls) / sizeof(*calls); at++)
        if (calls[at].number == number)
            return calls[at].name;
    return NULL;
}

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void put_maps(FILE *out, pid_t pid)
{
    static char text[MAPS_MOST];
    char path[64];
    size_t length = 0;
    ssize_t more;
    int file;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    file = open(path, O_RDONLY);
    while (file >= 0 && length < sizeof(text) - 1 &&
           (more = read(file, text + length, sizeof(text) - 1 - length)) > 0)
        length += more;
    close(file);
    text[length] = 0;
    fputs(", \"maps\": ", out);
    put_text(out, text);
}

/* Send a line and wait until the other side has seen enough. */
static void tell(char *line, size_t length)
{
    char go;

    while (length) {
        ssize_t sent = write(port, line, length);

        if (sent <= 0)
            continue;
        line += sent;
        length -= sent;
    }
    while (read(port, &go, 1) != 1)
        usleep(1000);
}

static void line_of(pid_t pid, const char *name, const unsigned long long *args, long long *ret)
{
    char *line;
    size_t length;
    FILE *out = open_memstream(&line, &length);

    fprintf(out, "{\"pid\": %d, \"call\": \"%s\", \"args\": [", pid, name);
    for (int at = 0; at < 6; at++)
        fprintf(out, "%s%llu", at ? ", " : "", args[at]);
    fputc(']', out);
    if (ret)
        fprintf(out, ", \"ret\": %lld", *ret);
    if (!strcmp(name, "exec"))
        fprintf(out, ", \"personality\": %d", ADDR_NO_RANDOMIZE);
    if (!strcmp(name, "mmap") && !(args[3] & 0x20)) {
        char link[64], path[4096];
        ssize_t size;

        snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, (int) args[4]);
        size = readlink(link, path, sizeof(path) - 1);
        if (size > 0) {
            path[size] = 0;
            fputs(", \"file\": ", out);
            put_text(out, path);
        }
    }
    put_maps(out, pid);
    fputs("}\n", out);
    fclose(out);
    tell(line, length);
    free(line);
}

static void begin_machine(void)
{
    char module[] = "/modules/0";

    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mkdir("/tmp", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    for (; module[9] <= '9'; module[9]++) {
        int file = open(module, O_RDONLY);

        if (file < 0)
            break;
        syscall(SYS_finit_module, file, "", 0);
        close(file);
    }
    while ((port = open("/dev/vport0p1", O_RDWR | O_CLOEXEC)) < 0)
        usleep(10000);
}

static char **arguments(void)
{
    static char text[1 << 16], *list[ARGUMENTS_MOST + 1];
    int file = open("/command", O_RDONLY), count = 0;
    ssize_t length = read(file, text, sizeof(text) - 1);

    close(file);
    text[length > 0 ? length : 0] = 0;
    for (char *word = strtok(text, "\n"); word && count < ARGUMENTS_MOST; word = strtok(NULL, "\n"))
        list[count++] = word;
    return list;
}

static void run(char **list)
{
    char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    int nothing = open("/dev/null", O_RDWR);

    dup2(nothing, 0);
    dup2(nothing, 1);
    dup2(nothing, 2);
    personality(ADDR_NO_RANDOMIZE);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    execve(list[0], list, environment);
    _exit(127);
}

int main(void)
{
    static const unsigned long long none[6];
    unsigned long long args[6];
    int status, inside = 0, started = 0, sig = 0;
    pid_t pid;

    begin_machine();
    pid = fork();
    if (!pid)
        run(arguments());
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, 0,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
    for (;;) {
        ptrace(PTRACE_SYSCALL, pid, 0, sig);
        sig = 0;
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
            break;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
            line_of(pid, "exec", none, &(long long){0});
            started = 1;
            inside = 1;
        } else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
            line_of(pid, started ? "exit_group" : "gone", none, NULL);
            for (;;)
                pause();
        } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct user_regs_struct r;
            const char *name;

            ptrace(PTRACE_GETREGS, pid, 0, &r);
            inside = !inside;
            name = name_of(r.orig_rax);
            if (inside && name) {
                unsigned long long now[6] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};

                memcpy(args, now, sizeof(args));
            } else if (name && started) {
                line_of(pid, name, args, &(long long){r.rax});
            }
        } else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
            sig = WSTOPSIG(status);
        }
    }
    line_of(pid, "gone", none, NULL);
    for (;;)
        pause();
}
