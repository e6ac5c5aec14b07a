import type { LocalBroker, LocalConnection } from '#src/broker/local/broker.js';
import type { Broker } from '#src/broker/port.js';
import type { Topology } from '#src/dsl/contract/processor.js';
import type { Logger } from '#src/model/ports.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { resolveConfig } from '#src/runtime/config/config.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { Engine } from '#src/runtime/engine/engine.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { type Machine, memoryBroker, memoryMachine, pumped } from './application.js';

export interface Node {
  readonly streams: Engine;
  readonly connection: LocalConnection;
}

/** Several engines of one application in one process: each with a connection of its own, as processes have. */
export class Cluster {
  readonly clock = new ManualClock();
  readonly broker: LocalBroker = memoryBroker(this.clock);
  readonly topology: Topology;
  readonly options: EngineOptions;
  readonly nodes: Node[] = [];
  /** What an engine is given in the place of its connection: a network between the two. */
  readonly #around: (connection: LocalConnection) => Broker;

  constructor(
    topology: Topology,
    options: EngineOptions = {},
    around: (connection: LocalConnection, clock: ManualClock) => Broker = (connection) => connection,
  ) {
    this.topology = topology;
    this.options = options;
    this.#around = (connection) => around(connection, this.clock);
  }

  /** Adds an engine, of another version of the topology if one is given. Engines that are given the same machine share the state directory. */
  async join(machine: Machine = memoryMachine(), logger?: Logger, topology = this.topology): Promise<Node> {
    const connection = this.broker.connect();
    const { openDatabase, stateDirectory, identityFiles } = machine;
    const config = resolveConfig(this.topology.name, this.options, logger);
    const ports = {
      broker: this.#around(connection),
      clock: this.clock,
      openDatabase,
      stateDirectory,
      ...(identityFiles && { identityFiles }),
    };
    const streams = await this.pumped(Engine.start(topology, config, ports));
    const node = { streams, connection };
    this.nodes.push(node);
    return node;
  }

  /** An engine leaves in order. */
  async leave(node: Node): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await this.pumped(node.streams.stop());
  }

  /** An engine's process dies. */
  async kill(node: Node): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    node.connection.crash();
    await this.pumped(node.streams.abort());
  }

  /** Until all tasks are given out and run, and everything is done. */
  async idle(): Promise<void> {
    await this.settled();
    await this.pumped(Promise.all(this.nodes.map(({ streams }) => streams.untilIdle())));
  }

  /** Until the group rests and every engine runs what it was given. */
  async settled(): Promise<void> {
    await this.pumped(this.broker.settled());
    const running = (): boolean =>
      this.nodes.every(({ streams }) => streams.tasks.every((task) => task.phase === 'running'));
    for (let turn = 0; turn < 20 || !running(); turn++) {
      // Behind a slow network a state is read back one record at a time.
      if (turn > 20_000) throw new Error('the engines do not come to rest');
      await nextTurn();
      if (this.clock.waiting) this.clock.fireNext();
    }
  }

  get taskIds(): string[][] {
    return this.nodes.map(({ streams }) => streams.tasks.map((task) => task.id).toSorted());
  }

  pumped<T>(work: Promise<T>): Promise<T> {
    // A slow network and timers of the wall clock make many calls of the clock before all is done.
    return pumped(this.clock, work, 200_000);
  }

  async close(): Promise<void> {
    for (const node of [...this.nodes]) await this.leave(node).catch(() => undefined);
    await this.broker.close();
  }
}
