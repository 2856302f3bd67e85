/* SPDX-License-Identifier: GPL-2.0-only */
/* A slab of nodes: one free list, with a failure that can be asked for. */
#ifndef KTREE_SLAB_H
#define KTREE_SLAB_H

#include <linux/types.h>
#include <linux/gfp.h>

#define SLAB_PANIC 0

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*constructor)(void *));
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t count, void **objects);
void kmem_cache_free(struct kmem_cache *cache, void *object);
void kmem_cache_free_bulk(struct kmem_cache *cache, size_t count, void **objects);

#endif
