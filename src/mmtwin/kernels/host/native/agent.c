// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: a tiny static program that makes memory calls in a small, known address space and
 * says what the kernel answered. No C library, no allocation, own stack in its data: every other
 * mapping of the process, the kernel's stack included, is free for the calls to change.
 *
 *     cc -O2 -static -nostdlib -ffreestanding agent.c -o agent
 *
 * It runs on x86-64 and s390x; what differs is in one section.
 *
 * One stream in (descriptor 0), one out (descriptor 1); all numbers little as the machine has them.
 * The first process is the controller: it starts workers (exec of itself, so that each has a fresh
 * image) and never makes a call itself. Only the process that holds the token reads the stream; it
 * passes the token on with OP_SWITCH. A worker that dies by a signal gives the token back to the
 * controller, which says so and hears nothing until OP_SYNC: what is still in the stream was for
 * the dead. As process 1 of a machine it prepares /proc and /dev and loads /modules/0 and so on; the
 * stream is the first port of a virtio console.
 *
 * Command: struct command, then `payload` bytes for the scratch page. A bit in `pointers` makes the
 * argument of that number an offset into the scratch page.
 * Answer: struct answer, then one section for each report asked for, in the order of the bits. A
 * section is chunks (32-bit length, bytes) up to a chunk of length 0; SAME_AS_BEFORE in place of the
 * first length says that the section equals the last one of this process.
 */
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/wait.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

enum op {
    OP_CALL,   /* number, args: a system call */
    OP_TOUCH,  /* args: address, length, 1 to write: one byte a page */
    OP_FORK,   /* number: slot of the child, which takes the token and answers too */
    OP_SPAWN,  /* number: slot; args: personality, soft stack limit, 1 to set it (controller only) */
    OP_SWITCH, /* number: slot that takes the token; it does not answer */
    OP_EXIT,   /* the token goes to the controller, which answers when the process is gone */
    OP_LOOK,   /* nothing but the reports */
    OP_SYNC,   /* nothing; the first that a controller hears after a death */
};

enum report {
    REPORT_MAPS = 1,
    REPORT_SMAPS = 2,
    REPORT_STATUS = 4,
    REPORT_SCRATCH = 8, /* as many bytes as the command's payload */
    REPORT_MEMORY = 16, /* /proc/meminfo */
    REPORT_PAGEMAP = 32, /* of each area but the gate the first words, PAGEMAP_WORDS at most */
};

struct command {
    u8 op;
    u8 pointers;
    u16 reports;
    u32 payload;
    u64 number;
    u64 args[6];
};

enum kind { KIND_RESULT, KIND_DIED };

struct answer {
    s64 result;
    u32 slot;
    u32 kind;
    u64 detail; /* OP_TOUCH: pages done << 32 | signal << 16 | si_code; KIND_DIED: wait status */
};

#define SLOTS 16
#define COMMANDS 190 /* descriptors out of the way of those that the calls make */
#define ANSWERS 191
#define SELF 192
#define WAKE_READ(slot) (200 + 2 * (int)(slot))
#define WAKE_WRITE(slot) (201 + 2 * (int)(slot))
#define SCRATCH_BYTES 4096
#define STACK_BYTES 32768
#define SAME_AS_BEFORE 0xffffffffu
#define PAGE 4096ul
#define PAGEMAP_WORDS 16
#define GATE 0xffffffffff600000ul

static u8 scratch[SCRATCH_BYTES] __attribute__((aligned(4096)));
static char text[57344];
static u8 ready[8192]; /* bytes of an answer, sent when it is whole or this is full */
static u64 ready_bytes;
static u64 text_seen[2]; /* sum of the last maps and smaps sent whole; 0: none */
static u32 own_slot;
static int deaf;
static volatile u32 fault_signal, fault_code;

/* ---- the machine ---- */

u8 agent_stack[STACK_BYTES] __attribute__((aligned(4096)));
extern const char agent_load[], agent_store[], agent_fault[], agent_restorer[];

#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "    mov %rsp, %rdi\n"
        "    lea agent_stack+32768(%rip), %rsp\n"
        "    xor %ebp, %ebp\n"
        "    call agent_main\n"
        "    hlt\n"
        "agent_load:\n"
        "    movb (%rdi), %al\n"
        "    xor %eax, %eax\n"
        "    ret\n"
        "agent_store:\n"
        "    movb $1, (%rdi)\n"
        "    xor %eax, %eax\n"
        "    ret\n"
        "agent_fault:\n"
        "    mov $1, %eax\n"
        "    ret\n"
        "agent_restorer:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n");

static s64 call6(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
    s64 result;
    register u64 r10 __asm__("r10") = d;
    register u64 r8 __asm__("r8") = e;
    register u64 r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define raw_clone(flags) call6(__NR_clone, flags, 0, 0, 0, 0, 0)
#define program_counter(context) ((context)->uc_mcontext.rip)
#elif defined(__s390x__)
__asm__(".globl _start\n"
        "_start:\n"
        "    lgr %r2, %r15\n"
        "    larl %r15, agent_stack+32608\n"
        "    xc 0(8,%r15), 0(%r15)\n"
        "    brasl %r14, agent_main\n"
        "    .long 0\n"
        "agent_load:\n"
        "    llgc %r1, 0(%r2)\n"
        "    lghi %r2, 0\n"
        "    br %r14\n"
        "agent_store:\n"
        "    mvi 0(%r2), 1\n"
        "    lghi %r2, 0\n"
        "    br %r14\n"
        "agent_fault:\n"
        "    lghi %r2, 1\n"
        "    br %r14\n"
        "agent_restorer:\n"
        "    svc 173\n"); /* rt_sigreturn */

static s64 raw_call6(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
    register u64 r1 __asm__("1") = number;
    register u64 r2 __asm__("2") = a;
    register u64 r3 __asm__("3") = b;
    register u64 r4 __asm__("4") = c;
    register u64 r5 __asm__("5") = d;
    register u64 r6 __asm__("6") = e;
    register u64 r7 __asm__("7") = f;

    __asm__ volatile("svc 0"
                     : "+d"(r2)
                     : "d"(r1), "d"(r3), "d"(r4), "d"(r5), "d"(r6), "d"(r7)
                     : "memory", "cc");
    return r2;
}

/* mmap takes its six arguments in memory here. */
static s64 call6(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
    if (number == __NR_mmap) {
        u64 args[6] = {a, b, c, d, e, f};

        return raw_call6(number, (u64)args, 0, 0, 0, 0, 0);
    }
    return raw_call6(number, a, b, c, d, e, f);
}

#define raw_clone(flags) call6(__NR_clone, 0, flags, 0, 0, 0, 0)
#define program_counter(context) ((context)->uc_mcontext.regs.psw.addr)
#else
#error "another machine needs its own system call, start and touch code"
#endif

#define call1(n, a) call6(n, (u64)(a), 0, 0, 0, 0, 0)
#define call2(n, a, b) call6(n, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define call3(n, a, b, c) call6(n, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)
#define call4(n, a, b, c, d) call6(n, (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0, 0)

/* The kernel's own view of sigaction; the headers for programs have the C library's. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    u64 flags;
    const void *restorer;
    u64 mask;
};

static void catch_signal(int number, void (*handler)(int, siginfo_t *, void *), u64 flags)
{
    struct kernel_sigaction action = {handler, flags | SA_SIGINFO | 0x04000000 /* restorer */,
                                      agent_restorer, 0};

    call4(__NR_rt_sigaction, number, &action, 0, 8);
}

/* ---- the stream ---- */

static void __attribute__((noreturn)) finish(int status)
{
    for (;;)
        call1(__NR_exit_group, status);
}

/* The other end is gone: nobody is left to work for, so the controller must not stay either. */
static void hang_up(void)
{
    if (own_slot)
        call2(__NR_kill, call1(__NR_getppid, 0), SIGKILL);
    finish(0);
}

static void flush(void)
{
    const u8 *from = ready;

    while (ready_bytes) {
        s64 done = call3(__NR_write, ANSWERS, from, ready_bytes);

        if (done == -EINTR)
            continue;
        if (done <= 0)
            hang_up();
        from += done;
        ready_bytes -= done;
    }
}

static void send(const void *bytes, u64 length)
{
    const u8 *from = bytes;

    while (length--) {
        if (ready_bytes == sizeof(ready))
            flush();
        ready[ready_bytes++] = *from++;
    }
}

static void receive(void *bytes, u64 length)
{
    u8 *to = bytes;

    while (length) {
        s64 done = call3(__NR_read, COMMANDS, to, length);

        if (done == -EINTR)
            continue;
        if (done <= 0)
            hang_up();
        to += done;
        length -= done;
    }
}

static void send_chunk(const void *bytes, u32 length)
{
    send(&length, sizeof(length));
    send(bytes, length);
}

static void send_file(const char *path, u64 *seen)
{
    s64 file = call3(__NR_open, path, O_RDONLY | O_CLOEXEC, 0);
    u64 held = 0, sum = 14695981039346656037ul;
    s64 got;

    while (file >= 0 && (got = call3(__NR_read, file, text + held, sizeof(text) - held)) > 0) {
        held += got;
        if (held == sizeof(text)) { /* too long to hold: pass on as it comes */
            send_chunk(text, held);
            held = 0;
            sum = 0;
        }
    }
    if (file >= 0)
        call1(__NR_close, file);
    if (sum) {
        for (u64 i = 0; i < held; i++)
            sum = (sum ^ (u8)text[i]) * 1099511628211ul;
        if (sum == *seen) {
            u32 same = SAME_AS_BEFORE;

            send(&same, sizeof(same));
            return;
        }
    }
    *seen = sum;
    if (held)
        send_chunk(text, held);
    send_chunk(text, 0);
}

static const char *read_hex(const char *from, u64 *value)
{
    for (*value = 0;; from++) {
        if (*from >= '0' && *from <= '9')
            *value = *value << 4 | (u64)(*from - '0');
        else if (*from >= 'a' && *from <= 'f')
            *value = *value << 4 | (u64)(*from - 'a' + 10);
        else
            return from + 1;
    }
}

static void send_pagemap(void)
{
    s64 maps = call3(__NR_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    s64 pagemap = call3(__NR_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    u64 words[PAGEMAP_WORDS], start, end, held = 0;
    const char *line = text;
    s64 got;

    while ((got = call3(__NR_read, maps, text + held, sizeof(text) - held)) > 0)
        held += got;
    while (line < text + held) {
        u64 count;

        line = read_hex(read_hex(line, &start), &end);
        while (line < text + held && *line++ != '\n')
            ;
        if (start == GATE)
            continue;
        count = (end - start) / PAGE < PAGEMAP_WORDS ? (end - start) / PAGE : PAGEMAP_WORDS;
        call4(__NR_pread64, pagemap, words, count * sizeof(u64), start / PAGE * sizeof(u64));
        send_chunk(words, count * sizeof(u64));
    }
    call1(__NR_close, maps);
    call1(__NR_close, pagemap);
    send_chunk(text, 0);
}

static void reply(s64 result, u64 detail, const struct command *command)
{
    struct answer answer = {result, own_slot, KIND_RESULT, detail};
    static u64 never;

    send(&answer, sizeof(answer));
    if (command->reports & REPORT_MAPS)
        send_file("/proc/self/maps", &text_seen[0]);
    if (command->reports & REPORT_SMAPS)
        send_file("/proc/self/smaps", &text_seen[1]);
    if (command->reports & REPORT_STATUS) {
        never = 0;
        send_file("/proc/self/status", &never);
    }
    if (command->reports & REPORT_SCRATCH) {
        if (command->payload)
            send_chunk(scratch, command->payload);
        send_chunk(scratch, 0);
    }
    if (command->reports & REPORT_MEMORY) {
        never = 0;
        send_file("/proc/meminfo", &never);
    }
    if (command->reports & REPORT_PAGEMAP)
        send_pagemap();
    flush();
}

/* ---- the token ---- */

static void wake(u32 slot, char why)
{
    call3(__NR_write, WAKE_WRITE(slot), &why, 1);
}

static void on_child(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    wake(0, 'c');
}

/* Children that left by themselves and were collected before their 'x' was read. */
static int left_early;

/* Controller: collect the dead; one that a signal ended held the token. 1 if it is ours now. */
static int reap(void)
{
    int taken = 0, status;

    while (call4(__NR_wait4, -1, &status, WNOHANG, 0) > 0) {
        struct answer answer = {0, 0, KIND_DIED, (u32)status};

        if ((status & 0x7f) == 0) {
            left_early++;
            continue;
        }
        send(&answer, sizeof(answer));
        flush();
        taken = deaf = 1;
    }
    return taken;
}

static void await_token(void)
{
    for (;;) {
        char why = 0;
        s64 got = call3(__NR_read, WAKE_READ(own_slot), &why, 1);

        if (got == -EINTR)
            continue;
        if (got <= 0)
            hang_up();
        if (why == 'x') { /* it has left, or is leaving: its memory goes before wait sees it */
            struct answer answer = {0, 0, KIND_RESULT, 0};

            if (left_early)
                left_early--;
            else
                call4(__NR_wait4, -1, 0, 0, 0);
            send(&answer, sizeof(answer));
            flush();
            return;
        }
        if (why == 'w' || (why == 'c' && reap()))
            return;
    }
}

/* ---- touching ---- */

static void on_fault(int number, siginfo_t *info, void *context)
{
    struct ucontext *at = context;

    u64 counter = program_counter(at);

    if (counter != (u64)agent_load && counter != (u64)agent_store) {
        catch_signal(number, (void *)SIG_DFL, 0); /* ours: die of it when it comes again */
        return;
    }
    fault_signal = number;
    fault_code = info->si_code & 0xffff;
    program_counter(at) = (u64)agent_fault;
}

static void touch(const struct command *command)
{
    u64 start = command->args[0], at = start, done = 0;
    int (*reach)(u64) = command->args[2] ? (int (*)(u64))agent_store : (int (*)(u64))agent_load;
    s64 result = 0;

    fault_signal = fault_code = 0;
    while (at - start < command->args[1]) { /* the end may be 2^64 */
        if (reach(at)) {
            result = -EFAULT;
            break;
        }
        done++;
        at = (at & ~(PAGE - 1)) + PAGE;
    }
    reply(result, done << 32 | fault_signal << 16 | fault_code, command);
}

/* ---- processes ---- */

/* Bound to the controller's life, with a descriptor of itself for calls that ask for a process. */
static void begin_process(void)
{
    s64 self = call2(434 /* pidfd_open */, call1(__NR_getpid, 0), 0);

    call2(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if (self >= 0) {
        call3(__NR_dup3, self, SELF, 0);
        call1(__NR_close, self);
    }
}

/* Children are the controller's, whoever forks them, so that it learns of every death. */
static void fork_worker(const struct command *command)
{
    u32 slot = command->number;
    s64 child = raw_clone(CLONE_PARENT | SIGCHLD);

    if (child == 0) {
        begin_process();
        own_slot = slot;
        text_seen[0] = text_seen[1] = 0;
        await_token(); /* the parent answers first */
        reply(0, 0, command);
        return;
    }
    reply(child, 0, command);
    if (child > 0) {
        wake(slot, 'w');
        await_token();
    }
}

static void spawn_worker(const struct command *command)
{
    char slot_text[2] = {(char)('a' + command->number), 0};
    const char *arguments[] = {"agent", slot_text, 0};
    const char *environment[] = {0};
    s64 child;

    child = raw_clone(SIGCHLD);
    if (child == 0) {
        struct {
            u64 soft, hard;
        } stack;

        call4(__NR_prlimit64, 0, RLIMIT_STACK, 0, &stack);
        if (command->args[2]) {
            stack.soft = command->args[1];
            call4(__NR_prlimit64, 0, RLIMIT_STACK, &stack, 0);
        }
        call1(__NR_personality, command->args[0]);
        call3(__NR_execve, "/proc/self/exe", arguments, environment);
        wake(0, 'x'); /* the controller's answer, for slot 0, tells that it failed */
        finish(127);
    }
    if (child < 0)
        reply(child, 0, command);
    else
        await_token();
}

/*
 * Processors collect pages in batches, and a page in a batch has one reference more: a pin of a page
 * for reading then copies what it could have kept. Moving no pages empties all batches.
 */
static void empty_batches(void)
{
    call6(__NR_move_pages, 0, 0, (u64)scratch, (u64)scratch, 0, 0);
}

static void serve(void)
{
    for (;;) {
        struct command command;
        u64 args[6];

        receive(&command, sizeof(command));
        if (command.payload > SCRATCH_BYTES)
            hang_up();
        receive(scratch, command.payload);
        if (deaf && command.op != OP_SYNC)
            continue;
        switch (command.op) {
        case OP_CALL:
            for (int i = 0; i < 6; i++)
                args[i] = command.args[i] + (command.pointers >> i & 1 ? (u64)scratch : 0);
            if (command.number == __NR_process_vm_readv || command.number == __NR_process_vm_writev)
                empty_batches();
            reply(call6(command.number, args[0], args[1], args[2], args[3], args[4], args[5]), 0,
                  &command);
            break;
        case OP_TOUCH:
            touch(&command);
            break;
        case OP_FORK:
            fork_worker(&command);
            break;
        case OP_SPAWN:
            spawn_worker(&command);
            break;
        case OP_SWITCH:
            wake(command.number, 'w');
            await_token();
            break;
        case OP_EXIT:
            if (own_slot)
                wake(0, 'x');
            finish(0);
        case OP_SYNC:
            deaf = 0;
            reply(0, 0, &command);
            break;
        case OP_LOOK:
            reply(0, 0, &command);
            break;
        default:
            hang_up();
        }
    }
}

/* Process 1: what every process needs, the drivers for the stream, the first word. */
static void begin_machine(void)
{
    struct command hello = {.op = OP_SYNC};
    struct {
        s64 seconds, nanoseconds;
    } moment = {0, 10000000};
    char module[] = "/modules/0";
    s64 port;

    call2(__NR_mkdir, "/proc", 0755);
    call2(__NR_mkdir, "/dev", 0755);
    call2(__NR_mkdir, "/sys", 0755);
    call6(__NR_mount, (u64) "proc", (u64) "/proc", (u64) "proc", 0, 0, 0);
    call6(__NR_mount, (u64) "sysfs", (u64) "/sys", (u64) "sysfs", 0, 0, 0);
    call6(__NR_mount, (u64) "devtmpfs", (u64) "/dev", (u64) "devtmpfs", 0, 0, 0);
    for (; module[9] <= '9'; module[9]++) {
        s64 file = call3(__NR_open, module, O_RDONLY, 0);

        if (file < 0)
            break;
        call3(__NR_finit_module, file, "", 0);
        call1(__NR_close, file);
    }
    do {
        port = call3(__NR_open, "/dev/vport0p1", O_RDWR, 0);
        if (port < 0)
            call2(__NR_nanosleep, &moment, 0);
    } while (port < 0);
    call3(__NR_dup3, port, COMMANDS, 0);
    call3(__NR_dup3, port, ANSWERS, 0);
    call1(__NR_close, port);
    reply(0, 0, &hello);
}

static void begin_controller(void)
{
    int ends[2];

    if (call1(__NR_getpid, 0) == 1) {
        begin_machine();
    } else {
        call3(__NR_dup3, 0, COMMANDS, 0);
        call3(__NR_dup3, 1, ANSWERS, 0);
    }
    for (int slot = 0; slot < SLOTS; slot++) {
        call2(__NR_pipe2, ends, 0);
        call3(__NR_dup3, ends[0], WAKE_READ(slot), 0);
        call3(__NR_dup3, ends[1], WAKE_WRITE(slot), 0);
        call1(__NR_close, ends[0]);
        call1(__NR_close, ends[1]);
    }
    catch_signal(SIGCHLD, on_child, SA_RESTART | SA_NOCLDSTOP);
}

static void begin_worker(const char *slot_text)
{
    struct command hello = {.reports = REPORT_MAPS};

    own_slot = slot_text[0] - 'a';
    for (int descriptor = 0; descriptor < 3; descriptor++)
        call1(__NR_close, descriptor);
    begin_process();
    catch_signal(SIGSEGV, on_fault, SA_NODEFER);
    catch_signal(SIGBUS, on_fault, SA_NODEFER);
    reply(call1(__NR_getpid, 0), (u64)scratch, &hello);
}

void agent_main(const u64 *start)
{
    u64 count = start[0];

    if (count > 1)
        begin_worker((const char *)start[2]);
    else
        begin_controller();
    serve();
}
