/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops under a stopwatch, one for each kind of work.
 *
 * The work arrives as words (see each loop), so that any other range map can
 * be given exactly the same. The answer is four words: nanoseconds on the
 * wall, nanoseconds of this processor, how many operations were done, and a
 * sum that keeps the work from being optimised away and tells two runs apart
 * that did not do the same.
 */
#ifndef KTREE_TIMED_H
#define KTREE_TIMED_H

enum timed {
	TIMED_STORE, TIMED_LOAD, TIMED_ITERATE, TIMED_ERASE, TIMED_FILL_DOWN, TIMED_FILL_UP,
	TIMED_SEARCH_UP,
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Words: first, last, entry. The sum is of the return codes. */
static uint64_t timed_store(struct maple_tree *tree, const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 3 <= count; i += 3)
		sum += mtree_store_range(tree, words[i], words[i + 1], (void *)(unsigned long)words[i + 2], GFP_KERNEL);
	return sum;
}

/* Words: index. The sum is of the entries. */
static uint64_t timed_load(struct maple_tree *tree, const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (unsigned long)mtree_load(tree, words[i]);
	return sum;
}

/* No words: every entry once, in order. The sum is of the entries. */
static uint64_t timed_iterate(struct maple_tree *tree, uint64_t *done)
{
	MA_STATE(mas, tree, 0, 0);
	uint64_t sum = 0;
	void *entry;

	*done = 0;
	mas_for_each(&mas, entry, ULONG_MAX) {
		sum += (unsigned long)entry;
		++*done;
	}
	return sum;
}

/* Words: index. The sum is of the entries that went. */
static uint64_t timed_erase(struct maple_tree *tree, const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (unsigned long)mtree_erase(tree, words[i]);
	return sum;
}

/* Words: low, high, size, entry: finds the window, then fills it. The sum is of the starts. */
static uint64_t timed_fill(struct maple_tree *tree, const uint64_t *words, size_t count, bool down)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 4 <= count; i += 4) {
		MA_STATE(mas, tree, 0, 0);
		int failed = down ? mas_empty_area_rev(&mas, words[i], words[i + 1], words[i + 2])
				  : mas_empty_area(&mas, words[i], words[i + 1], words[i + 2]);

		if (failed)
			continue;
		sum += mas.index;
		mas_store_gfp(&mas, (void *)(unsigned long)words[i + 3], GFP_KERNEL);
	}
	return sum;
}

/* Words: low, high, size: finds the window. The sum is of the starts. */
static uint64_t timed_search(struct maple_tree *tree, const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 3 <= count; i += 3) {
		MA_STATE(mas, tree, 0, 0);

		if (!mas_empty_area(&mas, words[i], words[i + 1], words[i + 2]))
			sum += mas.index;
	}
	return sum;
}

/* The argument: which loop in the low byte, the tree in the next. */
static void run_timed(uint64_t which, const uint64_t *words, size_t count)
{
	struct maple_tree *tree = &trees[(which >> 8 & 0xff) % TREES];
	uint64_t answer[4] = { 0, 0, count, 0 };
	uint64_t wall, processor;

	if (setjmp(bug_handler)) {
		fputs("the kernel's tree met a BUG under the stopwatch\n", stderr);
		exit(1);
	}
	wall = now(CLOCK_MONOTONIC);
	processor = now(CLOCK_PROCESS_CPUTIME_ID);
	switch ((enum timed)(which & 0xff)) {
	case TIMED_STORE:
		answer[3] = timed_store(tree, words, count);
		answer[2] = count / 3;
		break;
	case TIMED_LOAD:
		answer[3] = timed_load(tree, words, count);
		break;
	case TIMED_ITERATE:
		answer[3] = timed_iterate(tree, &answer[2]);
		break;
	case TIMED_ERASE:
		answer[3] = timed_erase(tree, words, count);
		break;
	case TIMED_FILL_DOWN:
	case TIMED_FILL_UP:
		answer[3] = timed_fill(tree, words, count, (which & 0xff) == TIMED_FILL_DOWN);
		answer[2] = count / 4;
		break;
	case TIMED_SEARCH_UP:
		answer[3] = timed_search(tree, words, count);
		answer[2] = count / 3;
		break;
	}
	answer[1] = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
	answer[0] = now(CLOCK_MONOTONIC) - wall;
	driver_grace();
	write_words(answer, 4);
}

#endif
