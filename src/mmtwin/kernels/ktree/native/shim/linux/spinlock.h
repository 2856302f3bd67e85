/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread: a lock is held by whoever asks. */
#ifndef KTREE_SPINLOCK_H
#define KTREE_SPINLOCK_H

#include <stdbool.h>

typedef struct {
	unsigned long held;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) { 0 }
#define spin_lock_init(lock) ((void)(lock))
#define spin_lock(lock) ((void)(lock))
#define spin_unlock(lock) ((void)(lock))
#define spin_lock_bh(lock) ((void)(lock))
#define spin_unlock_bh(lock) ((void)(lock))
#define spin_lock_irq(lock) ((void)(lock))
#define spin_unlock_irq(lock) ((void)(lock))
#define spin_lock_irqsave(lock, flags) ((void)(lock), (void)(flags))
#define spin_unlock_irqrestore(lock, flags) ((void)(lock), (void)(flags))

#endif
