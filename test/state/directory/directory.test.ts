import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Database } from '#src/model/database.js';
import { memoryDatabases } from '#src/state/database/memory.js';
import { openTaskDirectory, type TaskDirectory, type TaskDirectoryOptions } from '#src/state/directory/directory.js';
import { type IdentityFiles, memoryIdentityFiles } from '#src/state/directory/identity-files.js';
import { isStreamsError, put } from '../support.js';

type Changes = Partial<Omit<TaskDirectoryOptions, 'identity'>> & {
  readonly topology?: string;
  readonly stores?: readonly string[];
};

/** A store from "name:key serde:value serde:kind"; what is left out is string, json and keyValue. */
const store = (text: string): TaskDirectoryOptions['identity']['stores'][number] => {
  const [name = '', key = 'string', value = 'json', kind = 'keyValue'] = text.split(':');
  return { name, kind, key: { name: key }, value: { name: value } };
};

describe('the directory of a task', () => {
  let files: IdentityFiles;
  let given: TaskDirectoryOptions;
  const path = join('state', 'shop', '0_3', 'identity.json');

  beforeEach(() => {
    files = memoryIdentityFiles();
    given = {
      root: 'state',
      applicationId: 'shop',
      taskId: '0_3',
      openDatabase: memoryDatabases(),
      identity: { topology: 'payments', stores: [] },
      files,
    };
  });

  const open = ({
    topology = 'payments',
    stores = ['balances', 'seen'],
    ...changes
  }: Changes = {}): Promise<TaskDirectory> =>
    openTaskDirectory({ ...given, ...changes, identity: { topology, stores: stores.map(store) } });
  /** Opens, closes and gives the ids. */
  const ids = async (changes?: Changes): Promise<Record<string, number>> => {
    const { database, storeIds } = await open(changes);
    await database.close();
    return Object.fromEntries(storeIds);
  };

  describe('when it is new', () => {
    it('gets an identity with the application, the topology, the task and its stores', async () => {
      await ids({ stores: ['balances', 'seen:uuid:bytes:window'] });
      assert.deepEqual(JSON.parse((await files.read(path)) as string), {
        format: 1,
        application: 'shop',
        topology: 'payments',
        task: '0_3',
        stores: {
          balances: { id: 1, kind: 'keyValue', key: 'string', value: 'json' },
          seen: { id: 2, kind: 'window', key: 'uuid', value: 'bytes' },
        },
      });
    });

    it('is the root, the application and the task', async () => {
      const { directory, database } = await open();
      assert.equal(directory, join('state', 'shop', '0_3'));
      await database.close();
    });

    it('can be without stores', async () => assert.deepEqual(await ids({ stores: [] }), {}));
  });

  describe('when it is opened again', () => {
    it('gives the stores the ids they had, in whatever order they are declared', async () => {
      assert.deepEqual(await ids(), { balances: 1, seen: 2 });
      assert.deepEqual(await ids({ stores: ['seen', 'balances'] }), { balances: 1, seen: 2 });
    });

    it('has the entries that were written', async () => {
      const first = await open();
      await first.database.write([put('a', '1')]);
      await first.database.close();
      const second = await open();
      assert.deepEqual(await second.database.getMany([Buffer.from('a')]), [Buffer.from('1')]);
      await second.database.close();
    });

    it('writes no identity when no store is new', async () => {
      await ids();
      await ids({ files: { read: files.read, writeAtomically: () => assert.fail('written') }, stores: ['seen'] });
    });

    it('gives new stores the next ids, and never that of a store that was removed', async () => {
      await ids();
      assert.deepEqual(await ids({ stores: ['orders'] }), { orders: 3 });
      assert.deepEqual(await ids({ stores: ['orders', 'later'] }), { orders: 3, later: 4 });
      assert.deepEqual(await ids({ stores: [] }), {});
      assert.deepEqual(await ids({ stores: ['last', 'seen'] }), { last: 5, seen: 2 });
    });

    it('keeps apart stores with the names of properties of objects', async () => {
      const stores = ['__proto__', 'constructor', 'toString'];
      const first = await open({ stores });
      assert.deepEqual(
        [...first.storeIds],
        [
          ['__proto__', 1],
          ['constructor', 2],
          ['toString', 3],
        ],
      );
      await first.database.close();
      const second = await open({ stores: stores.toReversed() });
      assert.deepEqual(
        [...second.storeIds],
        [
          ['toString', 3],
          ['constructor', 2],
          ['__proto__', 1],
        ],
      );
      await second.database.close();
    });
  });

  describe('fails with STATE_MISMATCH', () => {
    beforeEach(() => ids());
    const refuses = (changes: Changes, message: RegExp): Promise<void> =>
      assert.rejects(open(changes), isStreamsError('STATE_MISMATCH', message));
    const edit = async (change: object): Promise<void> =>
      files.writeAtomically(path, JSON.stringify({ ...JSON.parse((await files.read(path)) as string), ...change }));

    it('when it is of another topology, naming both', () =>
      refuses(
        { topology: 'orders' },
        /identity\.json: saw the state of topology "payments", expected the state of topology "orders"\. Choose another state directory/,
      ));

    it('when it is of another application, naming both', async () => {
      await edit({ application: 'shop-2' });
      await refuses({}, /saw the state of application "shop-2", expected the state of application "shop"/);
    });

    it('when it is of another task, naming both', async () => {
      await edit({ task: '0_4' });
      await refuses({}, /saw the state of task "0_4", expected the state of task "0_3"/);
    });

    for (const [declared, saw, expected] of [
      ['seen:int64', 'key serde "string"', 'key serde "int64"'],
      ['seen:string:bytes', 'value serde "json"', 'value serde "bytes"'],
      ['seen:string:json:window', 'kind "keyValue"', 'kind "window"'],
    ] as const) {
      it(`when a store has now ${expected}, with advice`, () =>
        refuses(
          { stores: ['balances', declared] },
          new RegExp(
            `at store seen in .*identity\\.json: saw state of ${saw}, expected ${expected}\\. Choose another store name, run once, and fill it: millrace rebuild FILE --store NAME --from sources\\. Delete the directory only if the changelog, or the topic of a global table, has the new format\\.$`,
          ),
        ));
    }

    it('when a removed store comes back with another serde', async () => {
      await ids({ stores: ['balances'] });
      await refuses({ stores: ['seen:int64'] }, /store seen/);
    });

    it('when a newer version wrote the identity, whatever else is in it', async () => {
      await files.writeAtomically(path, '{"format":2,"owner":{}}');
      await refuses(
        {},
        /saw format 2, written by a newer version of millrace, expected format 1\. Use that version, or delete the directory/,
      );
    });

    it('when all ids have been given', async () => {
      await edit({ stores: { old: { id: 65_535, kind: 'keyValue', key: 'string', value: 'json' } } });
      await refuses({ stores: ['one-more'] }, /saw 65535 stores/);
    });

    it('leaves the identity as it was, and the database closed', async () => {
      const before = await files.read(path);
      await refuses({ stores: ['new', 'seen:int64'] }, /store seen/);
      assert.equal(await files.read(path), before);
      assert.deepEqual(await ids(), { balances: 1, seen: 2 });
    });
  });

  it('fails with STATE_CORRUPT when the identity is gone and the database has entries of unknown owners', async () => {
    const { database } = await open();
    await database.write([put('a', '1')]);
    await database.close();
    await assert.rejects(
      open({ files: memoryIdentityFiles() }),
      isStreamsError('STATE_CORRUPT', /saw no file next to a database with entries/),
    );
  });

  it('fails with STATE_CORRUPT when the identity is damaged, and closes the database', async () => {
    await ids();
    const before = (await files.read(path)) as string;
    await files.writeAtomically(path, before.slice(0, 20));
    await assert.rejects(
      open(),
      isStreamsError('STATE_CORRUPT', /identity\.json: saw .*, expected the identity file as it was/),
    );
    await files.writeAtomically(path, before);
    assert.deepEqual(await ids(), { balances: 1, seen: 2 });
  });

  it('starts as new when a crash came between making the database and writing the identity', async () => {
    await (await given.openDatabase(join('state', 'shop', '0_3', 'db'))).close();
    assert.deepEqual(await ids(), { balances: 1, seen: 2 });
  });

  it('is locked while it is open, and the error names it and says what to do', async () => {
    const { database } = await open();
    await assert.rejects(open(), (error: Error) => {
      isStreamsError(
        'STATE_LOCKED',
        /Stop the other process or engine that uses this directory, or give this one another state directory/,
      )(error);
      assert.ok(error.message.includes(join('state', 'shop', '0_3')));
      return true;
    });
    await database.close();
    await ids();
  });

  it('does not touch the identity while someone else has it open', async () => {
    const { database } = await open();
    const untouchable: IdentityFiles = {
      read: () => assert.fail('read'),
      writeAtomically: () => assert.fail('written'),
    };
    await assert.rejects(open({ files: untouchable }), isStreamsError('STATE_LOCKED', /./));
    await database.close();
  });

  it('fails with STATE_IO when the identity cannot be written, and closes the database', async () => {
    const full = {
      read: files.read,
      writeAtomically: () => Promise.reject(new Error('ENOSPC: no space left on device, write')),
    };
    await assert.rejects(
      open({ files: full }),
      isStreamsError('STATE_IO', /identity of the state at .*: saw ENOSPC: no space left .*Check free space/),
    );
    assert.deepEqual(await ids(), { balances: 1, seen: 2 });
  });

  it('keeps the old ids when the identity cannot be replaced for a new store', async () => {
    await ids();
    const full = {
      read: files.read,
      writeAtomically: () => Promise.reject(new Error('ENOSPC: no space left on device, write')),
    };
    await assert.rejects(open({ files: full, stores: ['new'] }), isStreamsError('STATE_IO', /ENOSPC/));
    assert.deepEqual(await ids({ stores: ['other', 'seen'] }), { other: 3, seen: 2 });
  });

  it('reports the first error when closing the database fails too', async () => {
    const broken = {
      scan: () => assert.fail('not reached'),
      close: () => Promise.reject(new Error('close')),
    } as unknown as Database;
    const failing = {
      read: () => Promise.reject(new Error('EIO: i/o error, read')),
      writeAtomically: files.writeAtomically,
    };
    await assert.rejects(
      open({ openDatabase: async () => broken, files: failing }),
      isStreamsError('STATE_IO', /saw EIO/),
    );
  });

  it('refuses ids that are no safe file names with CONFIG_INVALID', async () => {
    for (const name of ['', '.', '..', 'a/b', 'a\\b', '../shop', 'a b', 'a\0b', 'ü', 'x'.repeat(201)]) {
      await assert.rejects(
        open({ applicationId: name }),
        isStreamsError('CONFIG_INVALID', /at the application id: saw .*, expected 1 to 200/),
        name,
      );
      await assert.rejects(open({ taskId: name }), isStreamsError('CONFIG_INVALID', /at the task id/), name);
    }
    for (const name of ['a', 'shop.v2_prod-1', '...']) await ids({ applicationId: name, taskId: name });
  });
});
