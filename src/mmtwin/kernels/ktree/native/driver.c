/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's maple tree as a server on standard input and output.
 *
 * The tree's source is included, not linked, so that its inner helpers (the
 * data end of a node, the nodes a state holds) can be asked. It comes from a
 * linux-source package at build time; see build.py for the command.
 *
 * A request is a header of three words (kind, argument, count) and count
 * words; all words are 64 bits, in the machine's own order; on a 32-bit machine
 * the upper half of an argument is dropped. The kinds and the
 * answers are described in protocol.py.
 */
#define _GNU_SOURCE
#include <linux/kernel.h>
#include <linux/bug.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 120 /* seconds for one request: a tree that loops for ever ends the driver */

static jmp_buf bug_handler;
static unsigned long warnings;

#undef BUG_ON
#define BUG_ON(condition) do { if (unlikely(condition)) longjmp(bug_handler, __LINE__); } while (0)
#undef WARN_ON
#define WARN_ON(condition) ({ bool warned_ = (condition); warnings += warned_; warned_; })
#undef WARN_ON_ONCE
#define WARN_ON_ONCE(condition) WARN_ON(condition)

#define module_init(function)
#define atomic_t int

#include "slab.h"
#include "lib/maple_tree.c"

#define TREES 16
#define STATES 16
#define OPERATION_WORDS 5
#define RESULT_WORDS 8

/*
 * Two defects that 6.1.192 still has in RCU mode without gap tracking, both in
 * the destruction of subtrees, where a full range node carries no metadata and
 * all others have theirs in the last slot:
 * - mt_clear_meta() does not recognise the child in the last slot of a full top
 *   node, because mte_dead_leaves() has taken the type bits away, and clears
 *   the low two bytes of the child's address;
 * - mt_free_walk() takes the metadata in the last slot of a node below the top
 *   for a child.
 * Such subtrees are counted and left alone.
 */
static unsigned long spoiled;

static bool is_spoiled(struct rcu_head *head)
{
	struct maple_node *node = container_of(head, struct maple_node, rcu);

	if (head->func != mt_free_walk || node->type != maple_range_64)
		return false;
	return node->slot_len == MAPLE_RANGE64_SLOTS ||
	       !ma_is_leaf(mte_to_node(node->mr64.slot[0])->type);
}

/* Ends the grace period: every callback that waits is run. Returns how many. */
static unsigned long driver_grace(void)
{
	unsigned long done = 0;

	while (deferred_first) {
		struct rcu_head *head = deferred_first;

		deferred_first = head->next;
		if (!deferred_first)
			deferred_end = &deferred_first;
		if (is_spoiled(head))
			spoiled++;
		else
			head->func(head);
		done++;
	}
	deferred_count = 0;
	return done;
}

static struct maple_tree trees[TREES];
static struct ma_state states[STATES];

enum kind { KIND_OPERATIONS, KIND_DUMP, KIND_TIMED, KIND_POISON };

enum operation {
	OP_NOP, OP_INIT, OP_STORE_RANGE, OP_INSERT_RANGE, OP_ERASE, OP_LOAD, OP_FIND, OP_FIND_AFTER,
	OP_NEXT, OP_PREV, OP_ALLOC_RANGE, OP_ALLOC_RRANGE, OP_DESTROY, OP_SET_RCU, OP_GRACE, OP_FAIL,
	OP_COUNTS,
	MAS_OP_INIT = 32, MAS_OP_SET, MAS_OP_KEEP, MAS_OP_RESET, MAS_OP_PAUSE, MAS_OP_WALK, MAS_OP_FIND,
	MAS_OP_FIND_REV, MAS_OP_NEXT, MAS_OP_PREV, MAS_OP_STORE, MAS_OP_STORE_GFP, MAS_OP_ERASE,
	MAS_OP_PREALLOCATE, MAS_OP_STORE_PREALLOC, MAS_OP_EMPTY_AREA, MAS_OP_EMPTY_AREA_REV,
	MAS_OP_EXPECTED, MAS_OP_DESTROY, MAS_OP_NOMEM, MAS_OP_FILL, MAS_OP_FILL_REV, MAS_OP_REPLACE,
};

static void read_words(uint64_t *words, size_t count)
{
	if (fread(words, sizeof(*words), count, stdin) != count)
		exit(ferror(stdin) ? 1 : 0);
}

static void write_words(const uint64_t *words, size_t count)
{
	if (fwrite(words, sizeof(*words), count, stdout) != count)
		exit(1);
}

/* ---- operations ---- */

static gfp_t gfp_of(uint64_t head)
{
	static const gfp_t flags[] = { GFP_NOWAIT | __GFP_NOWARN, GFP_KERNEL, GFP_ATOMIC };

	return flags[(head >> 24 & 0xff) % 3];
}

static uint64_t signed_word(long value)
{
	return (uint64_t)(int64_t)value;
}

/* The node of a state without its address: sentinels and errors as they are, nodes as type bits. */
static uint64_t node_class(const struct ma_state *mas)
{
	unsigned long node = (unsigned long)mas->node;

	if (node < MAPLE_RESERVED_RANGE || (node & 3) == 2)
		return node;
	return 1ull << 32 | (node & 0xff);
}

/*
 * What lay at the state's index before the store. That is what mas_store()
 * says it returns; but 6.1.192 returns NULL or an inner node where the store
 * spans leaves, and what lay at the end where the leaf is built anew. So the
 * answer is looked up first.
 */
static void *store(struct ma_state *mas, void *entry)
{
	MA_STATE(look, mas->tree, mas->index, mas->index);
	void *before = mas_walk(&look);

	mas_store(mas, entry);
	return before;
}

static void report_state(const struct ma_state *mas, uint64_t *result)
{
	result[1] = mas->index;
	result[2] = mas->last;
	result[3] = node_class(mas);
	result[4] = mas->offset | (uint64_t)mas->depth << 8 | (uint64_t)mas->mas_flags << 16;
	result[5] = mas->min;
	result[6] = mas->max;
	result[7] = mas_allocated(mas);
	/* What a failed store leaves asked for means nothing: mas_destroy() drops it. */
	if (!mas_is_err((struct ma_state *)mas))
		result[7] |= (uint64_t)mas_alloc_req(mas) << 24;
}

static uint64_t tree_operation(const uint64_t *op, uint64_t *result)
{
	struct maple_tree *tree = &trees[(op[0] >> 8 & 0xff) % TREES];
	unsigned long start = op[1];
	void *entry = (void *)(unsigned long)op[3];
	uint64_t value = 0;

	switch ((enum operation)(op[0] & 0xff)) {
	case OP_INIT:
		memset(tree, 0, sizeof(*tree));
		mt_init_flags(tree, op[1]);
		return 0;
	case OP_STORE_RANGE:
		return signed_word(mtree_store_range(tree, op[1], op[2], entry, gfp_of(op[0])));
	case OP_INSERT_RANGE:
		return signed_word(mtree_insert_range(tree, op[1], op[2], entry, gfp_of(op[0])));
	case OP_ERASE:
		return (unsigned long)mtree_erase(tree, op[1]);
	case OP_LOAD:
		return (unsigned long)mtree_load(tree, op[1]);
	case OP_FIND:
		value = (unsigned long)mt_find(tree, &start, op[2]);
		result[1] = start;
		return value;
	case OP_FIND_AFTER:
		value = (unsigned long)mt_find_after(tree, &start, op[2]);
		result[1] = start;
		return value;
	case OP_NEXT:
		return (unsigned long)mt_next(tree, op[1], op[2]);
	case OP_PREV:
		return (unsigned long)mt_prev(tree, op[1], op[2]);
	case OP_ALLOC_RANGE:
		start = 0;
		value = signed_word(mtree_alloc_range(tree, &start, entry, op[4], op[1], op[2],
						      gfp_of(op[0])));
		result[1] = start;
		return value;
	case OP_ALLOC_RRANGE:
		start = 0;
		value = signed_word(mtree_alloc_rrange(tree, &start, entry, op[4], op[1], op[2],
						       gfp_of(op[0])));
		result[1] = start;
		return value;
	case OP_DESTROY:
		mtree_destroy(tree);
		return 0;
	case OP_SET_RCU:
		if (op[1])
			mt_set_in_rcu(tree);
		else
			mt_clear_in_rcu(tree);
		return 0;
	case OP_GRACE:
		return driver_grace();
	case OP_FAIL:
		driver_slab.fail_in = op[1];
		driver_slab.fail_on = op[2];
		return 0;
	case OP_COUNTS:
		result[1] = driver_slab.handed_out;
		result[2] = deferred_count;
		result[5] = spoiled;
		return driver_slab.in_use;
	default:
		return 0;
	}
}

/* A window of the size op[4] is looked for; if there is one, the entry is stored into it. */
static int fill(struct ma_state *mas, const uint64_t *op, bool down)
{
	int failed = down ? mas_empty_area_rev(mas, op[1], op[2], op[4])
			  : mas_empty_area(mas, op[1], op[2], op[4]);

	return failed ? failed : mas_store_gfp(mas, (void *)(unsigned long)op[3], gfp_of(op[0]));
}

/* The next entry up to op[1]; if there is one, the state's entry takes its whole range. */
static void *replace(struct ma_state *mas, const uint64_t *op)
{
	void *found = mas_find(mas, op[1]);

	if (found)
		mas_store_gfp(mas, (void *)(unsigned long)op[3], gfp_of(op[0]));
	return found;
}

static uint64_t state_operation(const uint64_t *op)
{
	struct ma_state *mas = &states[(op[0] >> 16 & 0xff) % STATES];
	void *entry = (void *)(unsigned long)op[3];

	switch ((enum operation)(op[0] & 0xff)) {
	case MAS_OP_INIT:
		*mas = (struct ma_state){
			.tree = &trees[(op[0] >> 8 & 0xff) % TREES],
			.index = op[1], .last = op[2], .node = MAS_START, .max = ULONG_MAX,
		};
		return 0;
	case MAS_OP_SET:
		mas_set_range(mas, op[1], op[2]);
		return 0;
	case MAS_OP_KEEP:
		mas->index = op[1];
		mas->last = op[2];
		return 0;
	case MAS_OP_RESET:
		mas_reset(mas);
		return 0;
	case MAS_OP_PAUSE:
		mas_pause(mas);
		return 0;
	case MAS_OP_WALK:
		return (unsigned long)mas_walk(mas);
	case MAS_OP_FIND:
		return (unsigned long)mas_find(mas, op[1]);
	case MAS_OP_FIND_REV:
		/* 6.1.192 wraps round here and finds the last entry. */
		if (mas_is_paused(mas) && mas->index == 0)
			return 0;
		return (unsigned long)mas_find_rev(mas, op[1]);
	case MAS_OP_NEXT:
		return (unsigned long)mas_next(mas, op[1]);
	case MAS_OP_PREV:
		return (unsigned long)mas_prev(mas, op[1]);
	case MAS_OP_STORE:
		return (unsigned long)store(mas, entry);
	case MAS_OP_STORE_GFP:
		return signed_word(mas_store_gfp(mas, entry, gfp_of(op[0])));
	case MAS_OP_ERASE:
		return (unsigned long)mas_erase(mas);
	case MAS_OP_PREALLOCATE:
		return signed_word(mas_preallocate(mas, entry, gfp_of(op[0])));
	case MAS_OP_STORE_PREALLOC:
		mas_store_prealloc(mas, entry);
		return 0;
	case MAS_OP_EMPTY_AREA:
		return signed_word(mas_empty_area(mas, op[1], op[2], op[3]));
	case MAS_OP_EMPTY_AREA_REV:
		return signed_word(mas_empty_area_rev(mas, op[1], op[2], op[3]));
	case MAS_OP_EXPECTED:
		return signed_word(mas_expected_entries(mas, op[1]));
	case MAS_OP_DESTROY:
		mas_destroy(mas);
		return 0;
	case MAS_OP_NOMEM:
		return mas_nomem(mas, gfp_of(op[0]));
	case MAS_OP_FILL:
		return signed_word(fill(mas, op, false));
	case MAS_OP_FILL_REV:
		return signed_word(fill(mas, op, true));
	case MAS_OP_REPLACE:
		return (unsigned long)replace(mas, op);
	default:
		return 0;
	}
}

/* One operation; a BUG of the kernel ends it with bit 63 of the last result word set. */
static void run_operation(const uint64_t *op, uint64_t *result)
{
	int line;

	memset(result, 0, RESULT_WORDS * sizeof(*result));
	warnings = 0;
	line = setjmp(bug_handler);
	if (line) {
		result[7] = 1ull << 63 | (uint64_t)line << 24;
		return;
	}
	if ((op[0] & 0xff) < MAS_OP_INIT) {
		result[0] = tree_operation(op, result);
	} else {
		result[0] = state_operation(op);
		report_state(&states[(op[0] >> 16 & 0xff) % STATES], result);
	}
	result[7] |= (uint64_t)warnings << 48;
}

static void run_operations(const uint64_t *words, size_t count)
{
	size_t operations = count / OPERATION_WORDS;
	uint64_t *results = malloc((operations ? operations : 1) * RESULT_WORDS * sizeof(*results));

	if (!results)
		exit(1);
	for (size_t i = 0; i < operations; i++)
		run_operation(words + i * OPERATION_WORDS, results + i * RESULT_WORDS);
	write_words(results, operations * RESULT_WORDS);
	free(results);
}

/* ---- the whole tree ---- */

#include "dump.h"

/* ---- the stopwatch ---- */

#include "timed.h"

int main(void)
{
	uint64_t header[3];
	uint64_t *words = NULL;
	size_t room = 0;

	maple_tree_init();
	for (;;) {
		read_words(header, 3);
		if (header[2] > room) {
			room = header[2];
			words = realloc(words, room * sizeof(*words));
			if (!words)
				exit(1);
		}
		read_words(words, header[2]);
		alarm(PATIENCE);
		switch ((enum kind)header[0]) {
		case KIND_OPERATIONS:
			run_operations(words, header[2]);
			break;
		case KIND_DUMP:
			dump_tree(&trees[header[1] % TREES]);
			break;
		case KIND_TIMED:
			run_timed(header[1], words, header[2]);
			break;
		case KIND_POISON:
			driver_slab.poison = header[1];
			break;
		}
		alarm(0);
		fflush(stdout);
	}
}
