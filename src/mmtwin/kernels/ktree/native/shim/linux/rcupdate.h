/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RCU for one thread: readers cost nothing, and a callback waits in a queue
 * until the driver says that a grace period is over (driver_grace()).
 */
#ifndef KTREE_RCUPDATE_H
#define KTREE_RCUPDATE_H

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void driver_defer(struct rcu_head *head, void (*func)(struct rcu_head *head));

#define call_rcu(head, func) driver_defer(head, func)
#define rcu_read_lock() do { } while (0)
#define rcu_read_unlock() do { } while (0)

#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_CONSUME)
#define rcu_dereference_raw(p) rcu_dereference(p)
#define rcu_dereference_check(p, held) rcu_dereference(p)
#define rcu_dereference_protected(p, held) (p)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, v) ((p) = (v))

#endif
