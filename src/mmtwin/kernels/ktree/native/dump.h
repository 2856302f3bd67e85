/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tree as words that do not depend on where its nodes lie.
 *
 * Nodes are numbered from 1 in depth-first order, children in slot order. The
 * answer is: the count of words that follow; the root (0: empty, the entry
 * itself when it is direct, otherwise the bits of the root word below 256);
 * the flags; the count of nodes; then for each node its data end and its 32
 * words (64 on a 32-bit machine, one in each word of the answer). In these the
 * parent word of the root reads 1, every other parent word and every child in
 * a slot up to the data end has its address replaced by the number of the node
 * times 256. All other words are as they lie in memory.
 */
#ifndef KTREE_DUMP_H
#define KTREE_DUMP_H

#define NODE_WORDS (256 / sizeof(long))

struct dump {
	uint64_t *words;
	size_t used, room;
	uint64_t nodes;
};

static uint64_t *dump_more(struct dump *dump, size_t count)
{
	uint64_t *at;

	if (dump->used + count > dump->room) {
		dump->room = 2 * (dump->used + count);
		dump->words = realloc(dump->words, dump->room * sizeof(*dump->words));
		if (!dump->words)
			exit(1);
	}
	at = dump->words + dump->used;
	dump->used += count;
	return at;
}

static void dump_node(struct dump *dump, struct maple_enode *enode, unsigned long min,
		      unsigned long max, uint64_t parent)
{
	struct maple_node *node = mte_to_node(enode);
	enum maple_type type = mte_node_type(enode);
	unsigned long *pivots = ma_pivots(node, type);
	void __rcu **slots = ma_slots(node, type);
	unsigned char end = ma_data_end(node, type, pivots, max);
	unsigned char pivot_count = mt_pivots[type];
	uint64_t number = ++dump->nodes;
	uint64_t own = number << 8;
	size_t slot_word = (unsigned long *)slots - (unsigned long *)node;
	size_t here = dump->used;
	uint64_t *words = dump_more(dump, 1 + NODE_WORDS);

	words[0] = end;
	for (size_t i = 0; i < NODE_WORDS; i++)
		words[1 + i] = ((unsigned long *)node)[i];
	words[1] = (words[1] & 0xff) | parent;
	if (ma_is_leaf(type))
		return;
	for (unsigned char i = 0; i <= end; i++) {
		struct maple_enode *child = (struct maple_enode *)slots[i];
		unsigned long last = i < pivot_count && pivots[i] ? pivots[i] : max;

		/* The child's number is the next one; the array may move below. */
		dump->words[here + 1 + slot_word + i] =
			((unsigned long)child & 0xff) | (dump->nodes + 1) << 8;
		dump_node(dump, child, min, last, own);
		min = last + 1;
	}
}

static void dump_tree(const struct maple_tree *tree)
{
	static struct dump dump;
	unsigned long root = (unsigned long)tree->ma_root;

	dump.used = 0;
	dump.nodes = 0;
	dump_more(&dump, 4);
	dump.words[1] = root;
	if (xa_is_node(tree->ma_root)) {
		dump.words[1] = root & 0xff;
		dump_node(&dump, mte_safe_root((struct maple_enode *)root), 0, ULONG_MAX, 0);
		dump.words[5] &= 7; /* what is left of the tree's address */
	}
	dump.words[0] = dump.used - 1;
	dump.words[2] = tree->ma_flags;
	dump.words[3] = dump.nodes;
	write_words(dump.words, dump.used);
}

#endif
