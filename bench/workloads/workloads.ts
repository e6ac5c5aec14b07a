import type { Topology } from 'millrace';
import { counting } from './count.js';
import { deduping } from './dedupe.js';
import { joining } from './join.js';
import { reordering } from './reorder.js';
import { stateless } from './stateless.js';
import type { Topics } from './topics.js';

/** What is measured on a real cluster, by name. */
export const WORKLOADS: Readonly<Record<string, (topics: Topics) => Topology>> = {
  stateless,
  count: counting,
  dedupe: deduping,
  reorder: reordering,
  join: joining,
};
