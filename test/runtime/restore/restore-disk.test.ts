import assert from 'node:assert/strict';
import { count } from '#src/dsl/operators/aggregate.js';
import { to } from '#src/dsl/operators/to.js';
import { topology } from '#src/dsl/topology.js';
import type { Database } from '#src/model/database.js';
import { StreamsError } from '#src/model/errors.js';
import { serdes } from '#src/serdes/serdes.js';
import type { IdentityFiles } from '#src/state/directory/identity-files.js';
import { Application, type Machine, memoryMachine } from '../../support/application.js';

const ROWS = 25_000;

const counts = topology('counts', (t) => {
  t.stream('words', { key: serdes.string, value: serdes.string }).pipe(
    count({ store: 'totals' }),
    to('out', { key: serdes.string, value: serdes.json() }),
  );
});

/** A machine whose disk takes as many writes as it is told, then is full. */
class FillingMachine implements Machine {
  readonly #machine = memoryMachine();
  readonly stateDirectory = this.#machine.stateDirectory;
  readonly identityFiles = this.#machine.identityFiles as IdentityFiles;
  writesLeft = Number.POSITIVE_INFINITY;

  readonly openDatabase = async (directory: string): Promise<Database> => {
    const database = await this.#machine.openDatabase(directory);
    const write = database.write.bind(database);
    database.write = async (writes) => {
      if (this.writesLeft-- <= 0)
        throw new StreamsError('STATE_IO', {
          what: 'cannot write',
          at: directory,
          saw: 'a full disk',
          action: 'Make room.',
        });
      return write(writes);
    };
    return database;
  };

  lose(): Promise<void> {
    return this.#machine.lose();
  }
}

describe('a restore on a disk that runs full', () => {
  it('fails with STATE_IO, and goes on where it was when there is room again', async () => {
    const machine = new FillingMachine();
    const app = new Application({ topology: counts, machine });
    await app.createTopics({ words: 1, out: 1 });
    await app.write(
      'words',
      Array.from({ length: ROWS }, (_, i) => ({ key: `k${i}`, value: 'x', timestamp: i })),
    );
    await app.runThrough();
    await app.stop();
    await machine.lose();

    machine.writesLeft = 2;
    await assert.rejects(app.start(), (error: unknown) => error instanceof StreamsError && error.code === 'STATE_IO');

    machine.writesLeft = Number.POSITIVE_INFINITY;
    const { metrics } = (await app.start()).progress();
    assert.ok(metrics.restoredRecords > 0 && metrics.restoredRecords < ROWS, `${metrics.restoredRecords}`);
    const rows = Object.values(await app.rows());
    assert.equal(rows.length, ROWS);
    assert.ok(rows.every((row) => row.startsWith('1 at ')));
    await app.close();
  });
});
