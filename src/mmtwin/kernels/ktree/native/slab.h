/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slab behind the tree and the queue of RCU callbacks.
 *
 * Nodes are cut from large pieces and kept on a free list; nothing is ever
 * given back to the C library. A failure can be asked for: the n-th request
 * from now on fails, once or from then on. With poisoning on, a node holds
 * 0x5a.. when it is handed out and 0x6b.. when it has been given back, so that
 * a read of a word that nobody wrote shows in every comparison.
 */
#ifndef KTREE_SLAB_INTERNAL_H
#define KTREE_SLAB_INTERNAL_H

#include <linux/slab.h>
#include <linux/rcupdate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OBJECT_BYTES 256
#define PIECE_OBJECTS 16384
#define LARGE_PAGE (2ul << 20) /* the kernel's own nodes lie in its direct map, on large pages */

struct kmem_cache {
	void **free;             /* linked through the first word of each free object */
	long in_use;
	unsigned long handed_out; /* since the start, never falls */
	unsigned long fail_in;   /* 0: never; n: the n-th request from now fails */
	bool fail_on;            /* and all that follow it fail as well */
	bool poison;
};

static struct kmem_cache driver_slab = { .poison = true };
static struct rcu_head *deferred_first, **deferred_end = &deferred_first;
static unsigned long deferred_count;

static void grow(struct kmem_cache *cache)
{
	size_t size = (size_t)PIECE_OBJECTS * OBJECT_BYTES;
	char *piece = aligned_alloc(LARGE_PAGE, size);

	if (!piece) {
		fputs("the driver is out of memory\n", stderr);
		exit(1);
	}
	madvise(piece, size, MADV_HUGEPAGE);
	for (size_t i = PIECE_OBJECTS; i-- > 0; ) {
		void **object = (void **)(piece + i * OBJECT_BYTES);

		*object = cache->free;
		cache->free = object;
	}
}

static bool must_fail(struct kmem_cache *cache)
{
	if (likely(!cache->fail_in))
		return false;
	if (cache->fail_in > 1) {
		cache->fail_in--;
		return false;
	}
	if (!cache->fail_on)
		cache->fail_in = 0;
	return true;
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*constructor)(void *))
{
	if (size > OBJECT_BYTES || align > OBJECT_BYTES || constructor)
		abort();
	return &driver_slab;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void **object;

	if (unlikely(must_fail(cache)))
		return NULL;
	if (unlikely(!cache->free))
		grow(cache);
	object = cache->free;
	cache->free = *object;
	cache->in_use++;
	cache->handed_out++;
	if (gfp & __GFP_ZERO)
		memset(object, 0, OBJECT_BYTES);
	else if (cache->poison)
		memset(object, 0x5a, OBJECT_BYTES);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	if (cache->poison)
		memset(object, 0x6b, OBJECT_BYTES);
	*(void **)object = cache->free;
	cache->free = object;
	cache->in_use--;
}

int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t count, void **objects)
{
	for (size_t i = 0; i < count; i++) {
		objects[i] = kmem_cache_alloc(cache, gfp);
		if (!objects[i]) {
			kmem_cache_free_bulk(cache, i, objects);
			return 0;
		}
	}
	return count;
}

void kmem_cache_free_bulk(struct kmem_cache *cache, size_t count, void **objects)
{
	for (size_t i = 0; i < count; i++)
		kmem_cache_free(cache, objects[i]);
}

void driver_defer(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->next = NULL;
	head->func = func;
	*deferred_end = head;
	deferred_end = &head->next;
	deferred_count++;
}

#endif
