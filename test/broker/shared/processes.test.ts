import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join as joinPath } from 'node:path';
import { SOCKET } from '#src/broker/shared/protocol.js';
import { localSocketPath } from '#src/net/local-socket.js';
import { Peer } from '#src/net/peer.js';
import { Bench, fails, numbered } from '../contract.support.js';
import { removeDirectory, temporaryDirectory } from '../local.support.js';
import type { Said } from './process.child.js';
import { fastClock, openShared } from './support.js';

/** A process that writes to the broker, and what it has said. */
class Writing {
  readonly child: ChildProcess;
  owner: boolean | undefined;
  acknowledged = -1;
  assigned: string | undefined;
  #changed: (() => void)[] = [];

  constructor(directory: string, partition: number) {
    this.child = fork(new URL('./process.child.js', import.meta.url), [directory, String(partition)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child.on('message', ({ owner, acknowledged, assigned }: Said) => {
      this.owner = owner ?? this.owner;
      this.acknowledged = acknowledged ?? this.acknowledged;
      this.assigned = assigned ?? this.assigned;
      for (const changed of this.#changed.splice(0)) changed();
    });
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  more(count: number): Promise<void> {
    const from = this.acknowledged;
    return this.until(() => this.acknowledged >= from + count);
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

describe('a broker that processes of a machine share', () => {
  let directory: string;
  const children: Writing[] = [];

  beforeEach(async () => {
    directory = await temporaryDirectory();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
    await removeDirectory(directory);
  });

  const started = async (partition: number): Promise<Writing> => {
    const child = new Writing(directory, partition);
    children.push(child);
    await child.until(() => child.owner !== undefined);
    return child;
  };

  /** The numbers in a partition, without those that were written again because nobody knew. */
  const numbersOf = async (partition: number): Promise<readonly number[]> => {
    const broker = await openShared(directory);
    const bench = new Bench({
      ...{ pollMs: 2_000, maxTimestamp: 0, durable: true },
      start: async () => ({ open: async () => broker, pass: async () => undefined, stop: () => broker.close() }),
    });
    await bench.start();
    const values = (await bench.values('numbers', partition)).map(Number);
    await broker.close();
    return values.filter((value, i) => value !== values[i - 1]);
  };

  it('loses nothing that was acknowledged when the one that serves it is killed, again and again', async function () {
    this.timeout(120_000);
    const broker = await openShared(directory);
    await broker.admin.createTopics([{ name: 'numbers', partitions: 4 }]);
    await broker.close();
    const all = [await started(0), await started(1), await started(2), await started(3)];
    assert.deepEqual(
      all.map(({ owner }) => owner),
      [true, false, false, false],
    );
    for (let killed = 0; killed < 3; killed++) {
      const alive = all.slice(killed);
      await Promise.all(alive.map((child) => child.more(20)));
      // Whoever is left of the group shares it.
      const parts = alive.map((_, i) => `part ${i} of ${alive.length}`);
      for (const child of alive) await child.until(() => parts.includes(child.assigned ?? ''));
      await (all[killed] as Writing).kill();
    }
    await all[3]?.more(20);
    await all[3]?.kill();
    for (const [partition, { acknowledged }] of all.entries()) {
      const numbers = await numbersOf(partition);
      assert.ok(numbers.length > acknowledged, `${numbers.length} of ${acknowledged} in partition ${partition}`);
      assert.deepEqual(
        numbers,
        Array.from({ length: numbers.length }, (_, i) => i),
      );
    }
  });

  it('has one owner, however many open it at once', async () => {
    const brokers = await Promise.all(Array.from({ length: 8 }, () => openShared(directory)));
    assert.equal(brokers.filter(({ isOwner }) => isOwner).length, 1);
    await brokers[0]?.admin.createTopics([{ name: 'numbers', partitions: 1 }]);
    for (const broker of brokers) assert.equal((await broker.admin.describeTopics(['numbers'])).length, 1);
    await Promise.all(brokers.map((broker) => broker.close()));
  });

  it('goes to another when its owner is closed in order: a reader waits on, a writer writes on', async () => {
    const owner = await openShared(directory);
    await owner.admin.createTopics([{ name: 'numbers', partitions: 1 }]);
    const other = await openShared(directory);
    const reader = await other.createReader();
    reader.seek({ topic: 'numbers', partition: 0, offset: 0 });
    const writer = await other.createWriter();
    const polled = reader.poll({ maxRecords: 10, maxWaitMs: 20_000 });
    await owner.close();
    await writer.write(numbered('numbers', 1));
    await writer.flush();
    assert.equal((await polled)[0]?.records.length, 1);
    assert.ok(other.isOwner);
    await other.close();
  });

  it('opens where a killed process has left its socket', async () => {
    writeFileSync(joinPath(directory, SOCKET), 'what is left');
    const owner = await openShared(directory);
    const other = await openShared(directory);
    assert.deepEqual([owner.isOwner, other.isOwner], [true, false]);
    await other.close();
    await owner.close();
  });

  it('is shared where the path of its directory is too long for a socket', async () => {
    const long = joinPath(directory, 'a'.repeat(120));
    mkdirSync(long);
    const owner = await openShared(long);
    const other = await openShared(long);
    assert.equal(other.isOwner, false);
    assert.ok(!existsSync(joinPath(long, SOCKET)));
    await other.close();
    await owner.close();
  });

  it('lets in this user alone', async function () {
    if (process.platform === 'win32') this.skip(); // it has no modes of files
    const owner = await openShared(directory);
    assert.equal(statSync(await localSocketPath(directory, SOCKET)).mode & 0o777, 0o600);
    await owner.close();
  });

  it('STATE_MISMATCH for a client of another version; bytes that are no message end their connection alone', async () => {
    const owner = await openShared(directory);
    const path = await localSocketPath(directory, SOCKET);
    const peer = new Peer(connect(path), () => ({}));
    await assert.rejects(peer.call('hello', { protocol: 99, pid: 1 }), fails('STATE_MISMATCH', 'protocol 99'));
    await assert.rejects(peer.call('unheard', null), fails('STATE_MISMATCH', 'unheard'));
    const nonsense = connect(path);
    nonsense.write(Buffer.alloc(64, 0xff));
    nonsense.on('error', () => undefined);
    await once(nonsense, 'close');
    assert.deepEqual(await owner.admin.describeTopics(), []);
    await peer.end();
    await owner.close();
  });

  it('STATE_LOCKED where the process that has it open is stopped: nothing hangs', async () => {
    const child = await started(0);
    child.child.kill('SIGSTOP');
    await assert.rejects(openShared(directory, fastClock), fails('STATE_LOCKED', 'does not answer'));
    child.child.kill('SIGCONT');
  });
});
