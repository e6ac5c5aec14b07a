import type { Topology } from './contract/processor.js';

/**
 * The brand of a topology that needs dependencies: see {@link OpenTopology}. Registered, as that of
 * topologies.
 */
export const OPEN_TOPOLOGY = Symbol.for('millrace.openTopology');

/**
 * A topology that needs something of its service: clients, settings, functions. `with` makes it a topology.
 */
export interface OpenTopology<D> {
  readonly [OPEN_TOPOLOGY]: true;
  readonly name: string;
  /**
   * Makes the dependencies that its declaration provides, for the command line. Left out if it provides none.
   */
  readonly dependencies?: () => D | Promise<D>;
  /** The topology with these dependencies. */
  with(dependencies: D): Topology;
}

/** What `topology` returns: a topology, or one that needs dependencies. */
export type TopologyOf<D> = [D] extends [undefined] ? Topology : OpenTopology<D>;

export interface TopologyOptions<D> {
  /**
   * Makes the dependencies where no service passes them in: for the command line. It may be async, and is
   * called once for each load.
   */
  readonly dependencies?: () => D | Promise<D>;
}

/** Whether a value is an open topology, of this or another copy of the library. */
export function isOpenTopology(value: unknown): value is OpenTopology<unknown> {
  return typeof value === 'object' && value !== null && OPEN_TOPOLOGY in value;
}
